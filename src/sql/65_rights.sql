-- Who may do what. Functions named *_as_owner run as the extension's owner on behalf of `caller`; users have no right to execute them.
-- They reach them through the function of the same name without the suffix, which is written in C and says truthfully who calls.

-- Whether a role has the rights of another one, by name. One that is gone has no members, but superusers have the rights of any.
CREATE FUNCTION segmentation.registry_has_role(caller name, role name) RETURNS boolean LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (SELECT FROM pg_roles AS c
                    WHERE c.rolname = caller AND (c.rolsuper OR EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = role AND pg_has_role(c.oid, r.oid, 'USAGE'))))
$$;
COMMENT ON FUNCTION segmentation.registry_has_role(name, name) IS 'Internal: whether a role has the rights of another one.';

-- The same without the shortcut for superusers: whether it is the role, or a member of it, directly or not.
CREATE FUNCTION segmentation.registry_is_member(caller name, role name) RETURNS boolean LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE roles(oid) AS (
        SELECT oid FROM pg_roles WHERE rolname = caller
        UNION SELECT m.roleid FROM roles JOIN pg_auth_members AS m ON m.member = roles.oid
    )
    SELECT EXISTS (SELECT FROM roles JOIN pg_roles AS r ON r.oid = roles.oid WHERE r.rolname = role)
$$;
COMMENT ON FUNCTION segmentation.registry_is_member(name, name) IS 'Internal: whether a role is another one or a member of it; being a superuser is not enough.';

-- 'owner': everything; 'use', 'train', 'approve': as granted; any of them is enough to see the model and to score with it.
CREATE FUNCTION segmentation.registry_may(caller name, model_name text, privilege text) RETURNS boolean LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (SELECT FROM segmentation.registry_model AS m WHERE m.name = model_name AND segmentation.registry_has_role(caller, m.owner))
        OR EXISTS (SELECT FROM segmentation.registry_grant AS g
                    WHERE g.model = model_name AND registry_may.privilege IN (g.privilege, 'use')
                      AND (g.grantee = 'public' OR segmentation.registry_has_role(caller, g.grantee)))
$$;
COMMENT ON FUNCTION segmentation.registry_may(name, text, text) IS 'Internal: whether a role has a privilege on a model.';

-- The model, or an error: one that the caller may not see does not exist.
CREATE FUNCTION segmentation.registry_require(caller name, model_name text, privilege text) RETURNS segmentation.registry_model LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found segmentation.registry_model;
BEGIN
    IF model_name IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'name of a model must not be null';
    END IF;
    IF segmentation.registry_may(caller, model_name, 'use') THEN
        SELECT * INTO found FROM segmentation.registry_model WHERE name = model_name;
    END IF;
    IF found.name IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = format('model "%s" does not exist', model_name),
            HINT = 'The view segmentation.models lists the models that you may use.';
    ELSIF NOT segmentation.registry_may(caller, model_name, privilege) THEN
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = format('permission denied for model "%s"', model_name),
            DETAIL = CASE privilege WHEN 'owner' THEN format('Only members of its owner, %I, may do this.', found.owner)
                     ELSE format('It takes the privilege "%s", or membership in its owner, %I.', privilege, found.owner) END;
    END IF;
    RETURN found;
END $$;
COMMENT ON FUNCTION segmentation.registry_require(name, text, text) IS 'Internal: the model, or an error where a role lacks a privilege on it.';

-- The same for those who change the model: they come one after the other.
CREATE FUNCTION segmentation.registry_lock(caller name, model_name text, privilege text) RETURNS segmentation.registry_model LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    about segmentation.registry_model;
BEGIN
    PERFORM segmentation.registry_require(caller, model_name, privilege);
    SELECT * INTO about FROM segmentation.registry_model AS m WHERE m.name = model_name FOR NO KEY UPDATE;  -- its rules may be edited meanwhile
    RETURN about;
END $$;
COMMENT ON FUNCTION segmentation.registry_lock(name, text, text) IS 'Internal: the model, locked against others who would change it.';

CREATE FUNCTION segmentation.registry_version_of(model_name text, version integer) RETURNS segmentation.registry_version LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found segmentation.registry_version;
BEGIN
    SELECT v.* INTO found FROM segmentation.registry_version AS v
     WHERE v.model = model_name AND (v.version = registry_version_of.version OR (registry_version_of.version IS NULL AND v.active));
    IF found.model IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '42704',
            MESSAGE = CASE WHEN version IS NULL THEN format('model "%s" has no active version', model_name)
                      ELSE format('model "%s" has no version %s', model_name, version) END,
            HINT = 'The view segmentation.model_versions lists the versions.';
    END IF;
    RETURN found;
END $$;
COMMENT ON FUNCTION segmentation.registry_version_of(text, integer) IS 'Internal: a version of a model, the active one for NULL.';

CREATE FUNCTION segmentation.registry_note(caller name, action text, model_name text, version integer, detail text) RETURNS void LANGUAGE sql
    SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO segmentation.registry_audit (done_by, action, model, version, owner, model_created, detail)
    SELECT caller, action, m.name, registry_note.version, m.owner, m.created, registry_note.detail
      FROM segmentation.registry_model AS m WHERE m.name = model_name
$$;
COMMENT ON FUNCTION segmentation.registry_note(name, text, text, integer, text) IS 'Internal: adds to the audit trail.';

-- grant_model, revoke_model

CREATE FUNCTION segmentation.registry_check_grant(role name, privilege text) RETURNS void LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF role IS NULL OR privilege IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'role and privilege must not be null';
    ELSIF privilege NOT IN ('use', 'train', 'approve') THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = format('unknown privilege "%s"', privilege),
            HINT = 'Valid privileges are "use", "train", "approve".';
    END IF;
END $$;
COMMENT ON FUNCTION segmentation.registry_check_grant(name, text) IS 'Internal: checks the arguments of grant_model and revoke_model.';

CREATE FUNCTION segmentation.grant_model_as_owner(caller name, model_name text, role name, privilege text) RETURNS void LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM segmentation.registry_require(caller, model_name, 'owner');
    PERFORM segmentation.registry_check_grant(role, privilege);
    IF role <> 'public' AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
        RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = format('role "%s" does not exist', role);
    END IF;
    INSERT INTO segmentation.registry_grant (model, grantee, privilege, granted_by)
    VALUES (model_name, role, grant_model_as_owner.privilege, caller) ON CONFLICT DO NOTHING;
    IF FOUND THEN
        PERFORM segmentation.registry_note(caller, 'grant', model_name, NULL, format('%s to %s', privilege, role));
    END IF;
END $$;
COMMENT ON FUNCTION segmentation.grant_model_as_owner(name, text, name, text) IS 'Internal: grant_model.';
CREATE FUNCTION segmentation.grant_model(name text, role name, privilege text) RETURNS void
    AS 'MODULE_PATHNAME', 'segmentation_as_owner' LANGUAGE C;
COMMENT ON FUNCTION segmentation.grant_model(text, name, text) IS 'Grants a privilege on a model to a role, or to public: use (score with it and see it in the views), train (train versions of it) or approve (activate them).';

CREATE FUNCTION segmentation.revoke_model_as_owner(caller name, model_name text, role name, privilege text) RETURNS void LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM segmentation.registry_require(caller, model_name, 'owner');
    PERFORM segmentation.registry_check_grant(role, privilege);
    DELETE FROM segmentation.registry_grant AS g
     WHERE g.model = model_name AND g.grantee = role AND g.privilege = revoke_model_as_owner.privilege;
    IF FOUND THEN
        PERFORM segmentation.registry_note(caller, 'revoke', model_name, NULL, format('%s from %s', privilege, role));
    END IF;
END $$;
COMMENT ON FUNCTION segmentation.revoke_model_as_owner(name, text, name, text) IS 'Internal: revoke_model.';
CREATE FUNCTION segmentation.revoke_model(name text, role name, privilege text) RETURNS void
    AS 'MODULE_PATHNAME', 'segmentation_as_owner' LANGUAGE C;
COMMENT ON FUNCTION segmentation.revoke_model(text, name, text) IS 'Takes a privilege on a model back from a role, or from public.';

-- model

CREATE FUNCTION segmentation.model_as_owner(caller name, model_name text, version integer) RETURNS @extschema@.kmeans_model LANGUAGE plpgsql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM segmentation.registry_require(caller, model_name, 'use');
    RETURN (segmentation.registry_version_of(model_name, version)).value;
END $$;
COMMENT ON FUNCTION segmentation.model_as_owner(name, text, integer) IS 'Internal: model.';
CREATE FUNCTION segmentation.model(name text, version integer DEFAULT NULL) RETURNS @extschema@.kmeans_model
    AS 'MODULE_PATHNAME', 'segmentation_as_owner' LANGUAGE C STABLE;
COMMENT ON FUNCTION segmentation.model(text, integer) IS 'A version of a model, the active one by default, as a value: for (SELECT segmentation.model(''cards'')).';

-- change_owner

CREATE FUNCTION segmentation.change_owner_as_owner(caller name, model_name text, new_owner name) RETURNS void LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM segmentation.registry_require(caller, model_name, 'owner');
    IF new_owner IS NULL OR NOT EXISTS (SELECT FROM pg_roles WHERE rolname = new_owner) THEN
        RAISE EXCEPTION USING ERRCODE = '42704', MESSAGE = format('role "%s" does not exist', coalesce(new_owner::text, 'NULL'));
    ELSIF NOT segmentation.registry_has_role(caller, new_owner) THEN
        RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = format('must be member of role "%s"', new_owner);
    END IF;
    PERFORM segmentation.registry_note(caller, 'change owner', model_name, NULL, format('to %s', new_owner));
    UPDATE segmentation.registry_model AS m SET owner = new_owner WHERE m.name = model_name;
END $$;
COMMENT ON FUNCTION segmentation.change_owner_as_owner(name, text, name) IS 'Internal: change_owner.';
CREATE FUNCTION segmentation.change_owner(name text, new_owner name) RETURNS void
    AS 'MODULE_PATHNAME', 'segmentation_as_owner' LANGUAGE C;
COMMENT ON FUNCTION segmentation.change_owner(text, name) IS 'Gives a model to another role, of which the caller is a member. Roles are kept by name: do this before one is renamed or dropped.';
