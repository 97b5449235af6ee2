"""What workflows can have done: a class for each service they call, a method for each of its RPCs they use.

A method makes one call and answers what came. Heartbeats, log lines, spans, deadlines and the translation of errors
are around every one of them already (`temporalkit.activities`). The name of the queue stands with each class.
"""
