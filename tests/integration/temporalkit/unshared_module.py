"""A module that a workflow imports."""

WORD = "hello"
