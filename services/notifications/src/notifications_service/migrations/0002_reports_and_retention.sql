-- Finding a message by what its provider calls it, and what is old enough to be forgotten; and the right to forget it.
CREATE INDEX recipients_message ON recipients (message_id) WHERE message_id <> '';
CREATE INDEX deliveries_complete_time ON deliveries (complete_time) WHERE complete_time IS NOT NULL;
GRANT DELETE ON deliveries TO :"operator_role";
