INSERT INTO permissions (permission, description) VALUES
    ('company.read', 'See the company''s data'),
    ('company.write', 'Change the company''s data'),
    ('users.read', 'See who works here'),
    ('users.invite', 'Invite people'),
    ('users.remove', 'Remove people'),
    ('roles.write', 'Change who may do what'),
    ('records.read', 'See records'),
    ('records.write', 'Add and change records'),
    ('records.remove', 'Remove records'),
    ('billing.read', 'See plan and invoices'),
    ('billing.write', 'Change the plan'),
    ('preferences.write', 'Change preferences');

INSERT INTO roles (role, display_name, is_system) VALUES
    ('admin', 'Administrator', true),
    ('manager', 'Manager', true),
    ('user', 'User', true);

INSERT INTO role_permissions (role, permission)
SELECT 'admin', permission FROM permissions WHERE tenant_id = current_setting('app.tenant_id')::uuid;

INSERT INTO role_permissions (role, permission)
SELECT 'manager', unnest(ARRAY[
    'company.read', 'users.read', 'users.invite', 'records.read', 'records.write', 'records.remove', 'billing.read'
]);

INSERT INTO role_permissions (role, permission)
SELECT 'user', unnest(ARRAY['company.read', 'records.read', 'records.write']);
