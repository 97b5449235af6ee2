-- Who lies on which server. It is kept on the first server of the settings, and used where there are several.
CREATE TABLE placements (
    name        text        PRIMARY KEY, -- of a schema, or the id of a pooled tenant
    tenant_id   uuid        NOT NULL,
    pooled      boolean     NOT NULL,
    server      text        NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now()
);

-- The servers whose places are all in the table above.
CREATE TABLE known_servers (
    server    text        PRIMARY KEY,
    know_time timestamptz NOT NULL DEFAULT now()
);
