-- Keys that nobody used are found when it is time to forget them.
CREATE INDEX leads_key_expire_time ON leads (key_expire_time) WHERE key_expire_time IS NOT NULL;
