-- The subscriptions of one plan, in the order of their own list, and the entries of one operation: found however many
-- others there are.
DROP INDEX subscriptions_of_plan;
CREATE INDEX subscriptions_of_plan ON subscriptions (plan_id, subscription_id);
CREATE INDEX outbox_entries_of_operation ON outbox_entries (operation_id, create_time, outbox_entry_id);
