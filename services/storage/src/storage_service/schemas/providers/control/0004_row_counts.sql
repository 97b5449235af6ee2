-- How many rows each table of a schema has; in the shared schema those of one tenant.
CREATE FUNCTION row_counts(place name, tenant uuid) RETURNS TABLE (name name, rows bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog
AS $$
BEGIN
    FOR name IN
        SELECT c.relname FROM pg_depend AS d JOIN pg_class AS c ON c.oid = d.objid
        WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_namespace'::regclass
        AND d.refobjid = quote_ident(place)::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    LOOP
        EXECUTE format('SELECT count(*) FROM %I.%I', place, name)
            || CASE WHEN tenant IS NULL THEN '' ELSE format(' WHERE tenant_id = %L', tenant) END INTO rows;
        RETURN NEXT;
    END LOOP;
END
$$;
REVOKE EXECUTE ON FUNCTION row_counts(name, uuid) FROM public;
