INSERT INTO companies (name, country, is_default)
VALUES (current_setting('seed.company_name'), current_setting('seed.country'), true);
