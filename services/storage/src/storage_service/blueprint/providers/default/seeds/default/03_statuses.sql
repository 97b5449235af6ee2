INSERT INTO statuses (subject, status, display_name, position, is_final) VALUES
    ('user', 'invited', 'Invited', 1, false),
    ('user', 'active', 'Active', 2, false),
    ('user', 'disabled', 'Disabled', 3, true),
    ('record', 'draft', 'Draft', 1, false),
    ('record', 'open', 'Open', 2, false),
    ('record', 'done', 'Done', 3, true),
    ('record', 'archived', 'Archived', 4, true);
