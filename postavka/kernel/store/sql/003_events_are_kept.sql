-- An event that has happened is never changed, taken away or forgotten: whoever tries it by mistake is stopped here.
-- Who does it on purpose, as a superuser, is found by the signed checkpoints. One trigger for a statement costs an
-- INSERT nothing: it does not fire.
CREATE FUNCTION refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are kept as they are: % of %.% is refused', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'PV002', HINT = 'What is wrong is put right by a further event.';
END
$$;

CREATE TRIGGER events_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON stored_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
