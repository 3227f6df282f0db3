-- What `migrate` makes. `{s}` is the schema, `{c}` what the names of its channels begin with.
--
-- Moments and spans are in milliseconds. A session's row is locked first by whoever writes anything of it, so that its
-- commits follow each other, and nobody waits in a circle. Keys, values, owners and labels are `bytea`: JSON is kept as
-- it was written, in a database of any encoding. What is lost in a crash may be: who has a turn, who waits, who listens.
DO $$ BEGIN
  -- It would need the right to make schemas, also where it is there.
  IF to_regnamespace('{s}') IS NULL THEN CREATE SCHEMA {s}; END IF;
END $$;
CREATE TABLE {s}.version (version integer NOT NULL);

CREATE TABLE {s}.sessions (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  hidden bytea NOT NULL UNIQUE,
  public_key bytea NOT NULL,
  lasting bytea NOT NULL,
  expiry bytea NOT NULL,
  provisional boolean NOT NULL,
  expires bigint NOT NULL,
  owner bytea,
  label bytea,
  since bigint NOT NULL,
  -- Of the last commits, and when they came.
  tokens bigint[] NOT NULL,
  moments bigint[] NOT NULL,
  -- How many commits there were: nodes that do not listen compare it.
  commits bigint NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX ON {s}.sessions (public_key);
CREATE INDEX ON {s}.sessions (expires);
CREATE INDEX ON {s}.sessions (sha256(owner), since) WHERE owner IS NOT NULL;

CREATE TABLE {s}.values (
  number bigint NOT NULL,
  key bytea NOT NULL,
  value bytea NOT NULL,
  -- The token of the commit that wrote it.
  version bigint NOT NULL,
  PRIMARY KEY (number, key)
) WITH (fillfactor = 70);

-- How sessions ended, for a while.
CREATE TABLE {s}.endings (
  hidden bytea PRIMARY KEY,
  kind text NOT NULL,
  node text NOT NULL,
  token bigint NOT NULL,
  until bigint NOT NULL
);
CREATE INDEX ON {s}.endings (until);

-- A row stays when its lease ends: `ticket` is then null.
CREATE UNLOGGED TABLE {s}.turns (
  number bigint NOT NULL,
  state bytea NOT NULL,
  ticket bigint,
  deadline bigint NOT NULL,
  last bigint NOT NULL,
  PRIMARY KEY (number, state)
) WITH (fillfactor = 50);

CREATE UNLOGGED TABLE {s}.waiters (
  ticket bigint PRIMARY KEY,
  number bigint NOT NULL,
  arrival bigint GENERATED ALWAYS AS IDENTITY,
  states bytea[] NOT NULL,
  node text NOT NULL,
  deadline bigint NOT NULL
);
CREATE INDEX ON {s}.waiters (number);

CREATE UNLOGGED TABLE {s}.nodes (node text PRIMARY KEY, until bigint NOT NULL);
CREATE UNLOGGED TABLE {s}.followers (hidden bytea, node text, PRIMARY KEY (hidden, node));

CREATE FUNCTION {s}.now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint
$$;

-- Tells all other nodes, if there are any.
CREATE FUNCTION {s}.tell(a_node text, a_message text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM {s}.nodes n WHERE n.node <> a_node AND n.until > {s}.now_ms()) THEN
    PERFORM pg_notify('{c}', a_message);
  END IF;
END $$;

CREATE FUNCTION {s}.name_of(a_hidden bytea) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT translate(encode(a_hidden, 'base64'), '+/=', '-_')
$$;

-- Wakes those who are first in all the lines they stand in (or all); gives the tickets of those on this node.
CREATE FUNCTION {s}.wake(a_number bigint, a_node text, a_all boolean) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
  waiter record;
  taken bytea[];
  own bigint[] := '{}';
  now bigint := {s}.now_ms();
BEGIN
  IF NOT EXISTS (SELECT FROM {s}.waiters w WHERE w.number = a_number) THEN RETURN own; END IF;
  DELETE FROM {s}.waiters w WHERE w.number = a_number AND w.deadline <= now;
  SELECT coalesce(array_agg(t.state), '{}') INTO taken FROM {s}.turns t
    WHERE t.number = a_number AND t.ticket IS NOT NULL AND t.deadline > now;
  FOR waiter IN SELECT * FROM {s}.waiters w WHERE w.number = a_number ORDER BY w.arrival LOOP
    IF a_all OR NOT waiter.states && taken THEN
      IF waiter.node = a_node THEN
        own := own || waiter.ticket;
      ELSIF EXISTS (SELECT FROM {s}.nodes n WHERE n.node = waiter.node AND n.until > now) THEN
        PERFORM pg_notify('{c}_' || waiter.node, 'w ' || waiter.ticket);
      END IF;
    END IF;
    taken := taken || waiter.states;
  END LOOP;
  RETURN own;
END $$;

-- Takes all turns of a call, or a place in the line for them; and loads. `a_keys` null: all.
CREATE FUNCTION {s}.take(
  a_hidden bytea, a_keys bytea[], a_states bytea[], a_ticket bigint, a_node text, a_lease bigint, a_hold bigint,
  OUT answer text, OUT again bigint, OUT lasting bytea, OUT expiry bytea, OUT provisional boolean, OUT expires bigint,
  OUT owner bytea, OUT label bytea, OUT keys bytea[], OUT vals bytea[], OUT versions bigint[], OUT number bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  session {s}.sessions;
  now bigint;
  mine boolean;
  held_until bigint;
  ahead_until bigint;
  place bigint;
BEGIN
  -- A turn that is lost in a crash is lost to its holder, too: nobody waits for the disk.
  PERFORM set_config('synchronous_commit', 'off', true);
  SELECT * INTO session FROM {s}.sessions s WHERE s.hidden = a_hidden AND s.expires > {s}.now_ms() FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    answer := 'gone';
    RETURN;
  END IF;
  now := {s}.now_ms();
  SELECT bool_or(t.ticket = a_ticket), min(t.deadline) FILTER (WHERE t.ticket <> a_ticket) INTO mine, held_until
    FROM {s}.turns t
    WHERE t.number = session.number AND t.state = ANY (a_states) AND t.ticket IS NOT NULL AND t.deadline > now;
  IF mine THEN
    -- The answer that granted it was lost: it is granted again, from now on.
    UPDATE {s}.turns t SET deadline = now + least(a_lease, a_hold), last = now + a_hold
      WHERE t.number = session.number AND t.ticket = a_ticket;
  ELSE
    SELECT w.arrival INTO place FROM {s}.waiters w WHERE w.ticket = a_ticket;
    SELECT min(w.deadline) INTO ahead_until FROM {s}.waiters w
      WHERE w.number = session.number AND w.deadline > now AND w.ticket <> a_ticket
        AND (place IS NULL OR w.arrival < place) AND w.states && a_states;
    held_until := least(held_until, ahead_until);
    IF held_until IS NOT NULL THEN
      INSERT INTO {s}.waiters (ticket, number, states, node, deadline)
        VALUES (a_ticket, session.number, a_states, a_node, now + a_lease)
        ON CONFLICT (ticket) DO UPDATE SET deadline = excluded.deadline;
      answer := 'wait';
      again := held_until - now;
      RETURN;
    END IF;
    INSERT INTO {s}.turns (number, state, ticket, deadline, last)
      SELECT session.number, state, a_ticket, now + least(a_lease, a_hold), now + a_hold FROM unnest(a_states) state
      ON CONFLICT (number, state) DO UPDATE
        SET ticket = excluded.ticket, deadline = excluded.deadline, last = excluded.last;
    IF place IS NOT NULL THEN DELETE FROM {s}.waiters w WHERE w.ticket = a_ticket; END IF;
  END IF;
  answer := 'granted';
  lasting := session.lasting; expiry := session.expiry; provisional := session.provisional;
  expires := session.expires; owner := session.owner; label := session.label; number := session.number;
  SELECT array_agg(v.key), array_agg(v.value), array_agg(v.version) INTO keys, vals, versions FROM {s}.values v
    WHERE v.number = session.number AND (a_keys IS NULL OR v.key = ANY (a_keys));
END $$;

-- Ends the leases of a call, and its waiting; gives who of this node is next.
CREATE FUNCTION {s}.release(a_hidden bytea, a_ticket bigint, a_node text) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
  found_number bigint;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  SELECT s.number INTO found_number FROM {s}.sessions s WHERE s.hidden = a_hidden FOR NO KEY UPDATE;
  DELETE FROM {s}.waiters w WHERE w.ticket = a_ticket;
  IF found_number IS NULL THEN RETURN '{}'; END IF;
  UPDATE {s}.turns t SET ticket = NULL WHERE t.number = found_number AND t.ticket = a_ticket;
  RETURN {s}.wake(found_number, a_node, false);
END $$;

-- Renews the leases that are not lost. One that somebody else writes at this moment is ending, or renewed next time.
CREATE FUNCTION {s}.renew(a_numbers bigint[], a_tickets bigint[], a_lease bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  now bigint := {s}.now_ms();
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  UPDATE {s}.turns t SET deadline = least(now + a_lease, t.last)
    FROM (
      SELECT h.number, h.state FROM {s}.turns h
      WHERE h.number = ANY (a_numbers) AND h.ticket = ANY (a_tickets) AND h.deadline > now
      FOR NO KEY UPDATE SKIP LOCKED
    ) held
    WHERE t.number = held.number AND t.state = held.state;
END $$;

-- A session has left its id: says so.
CREATE FUNCTION {s}.leave(a_hidden bytea, a_kind text, a_node text, a_token bigint, a_recent bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO {s}.endings (hidden, kind, node, token, until)
    VALUES (a_hidden, a_kind, a_node, a_token, {s}.now_ms() + a_recent)
    ON CONFLICT (hidden) DO UPDATE
      SET kind = excluded.kind, node = excluded.node, token = excluded.token, until = excluded.until;
  PERFORM {s}.tell(a_node, a_kind || ' ' || a_node || ' ' || {s}.name_of(a_hidden));
END $$;

-- Commits, and ends the lease, or keeps it for the next call of the same node: `a_keep` is 'no', 'yes' or 'unless awaited' by
-- other nodes. A change with a version is made only if the value still has it (0: there is none); one
-- without a value removes it. `a_sent` is how long ago it was sent first, null if it is the first time.
CREATE FUNCTION {s}.commit(
  a_hidden bytea, a_action text, a_new bytea, a_token bigint, a_sent bigint, a_node text, a_recent bigint,
  a_public_key bytea, a_lasting bytea, a_expiry bytea, a_provisional boolean,
  a_expires bigint, a_reckoned_expiry bytea, a_reckoned_provisional boolean,
  a_owner_changes boolean, a_owner bytea, a_label_changes boolean, a_label bytea,
  a_ticket bigint, a_states bytea[], a_keep text, a_lease bigint, a_hold bigint,
  a_keys bytea[], a_vals bytea[], a_versions bigint[],
  OUT answer text, OUT kind text, OUT node text, OUT vals bytea[], OUT versions bigint[], OUT woken bigint[],
  OUT lease text
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  session {s}.sessions;
  ending {s}.endings;
  begun bigint;
  came bigint := {s}.now_ms();
  now bigint := came;
  forgotten boolean;
  conflict boolean;
  awaited boolean;
  next_expires bigint;
BEGIN
  IF a_action = 'create' THEN
    INSERT INTO {s}.sessions (hidden, public_key, lasting, expiry, provisional, expires, owner, label, since, tokens,
                              moments, commits)
      VALUES (a_hidden, a_public_key, a_lasting, a_expiry, a_provisional, coalesce(a_expires, now), a_owner, a_label,
              now, ARRAY[a_token], ARRAY[now], 1)
      ON CONFLICT (hidden) DO NOTHING RETURNING {s}.sessions.number INTO begun;
    IF begun IS NULL THEN
      SELECT CASE WHEN a_token = ANY (s.tokens) THEN 'done' ELSE 'exists' END INTO answer
        FROM {s}.sessions s WHERE s.hidden = a_hidden;
      RETURN;
    END IF;
    -- It may have begun when it was sent before, and ended since.
    IF a_sent IS NOT NULL THEN
      SELECT * INTO ending FROM {s}.endings e WHERE e.hidden = a_hidden AND e.until > now;
      IF FOUND THEN
        DELETE FROM {s}.sessions s WHERE s.number = begun;
        answer := 'gone'; kind := ending.kind; node := ending.node;
        RETURN;
      END IF;
    END IF;
    INSERT INTO {s}.values (number, key, value, version)
      SELECT begun, c.key, c.value, a_token FROM unnest(a_keys, a_vals) c (key, value)
      WHERE c.value IS NOT NULL;
    answer := 'done';
    RETURN;
  END IF;

  SELECT * INTO session FROM {s}.sessions s WHERE s.hidden = a_hidden AND s.expires > {s}.now_ms() FOR NO KEY UPDATE;
  now := {s}.now_ms();
  IF NOT FOUND THEN
    SELECT * INTO ending FROM {s}.endings e WHERE e.hidden = a_hidden AND e.until > now;
    answer := CASE WHEN ending.token = a_token THEN 'done' ELSE 'gone' END;
    kind := ending.kind; node := ending.node;
    RETURN;
  END IF;
  IF a_action IN ('E', 'R') THEN
    DELETE FROM {s}.sessions s WHERE s.number = session.number;
    DELETE FROM {s}.values v WHERE v.number = session.number;
    DELETE FROM {s}.turns t WHERE t.number = session.number;
    woken := {s}.wake(session.number, a_node, true);
    DELETE FROM {s}.waiters w WHERE w.number = session.number;
    PERFORM {s}.leave(a_hidden, a_action, a_node, a_token, a_recent);
    answer := 'done';
    RETURN;
  END IF;

  IF a_token = ANY (session.tokens) THEN
    -- Whom it woke on this node, and what became of the lease, was said in the answer that was lost.
    woken := {s}.wake(session.number, a_node, false);
    lease := CASE WHEN EXISTS (SELECT FROM {s}.turns t WHERE t.number = session.number AND t.ticket = a_ticket)
      THEN 'awaited' ELSE 'ended' END;
    answer := 'done';
    RETURN;
  END IF;
  -- Whether it may have been forgotten that it took place: since it was sent first, as this call came, there were too many.
  forgotten := a_sent IS NOT NULL AND cardinality(session.moments) >= 16
    AND session.moments[1] >= came - a_sent - 1000;
  IF a_ticket IS NOT NULL AND cardinality(a_states) <> (
    SELECT count(*) FROM {s}.turns t
    WHERE t.number = session.number AND t.state = ANY (a_states) AND t.ticket = a_ticket AND t.deadline > now
  ) THEN
    answer := CASE WHEN forgotten THEN 'unknown' ELSE 'lost' END;
    RETURN;
  END IF;
  SELECT bool_or(coalesce(v.version, 0) <> c.version) INTO conflict
    FROM unnest(a_keys, a_versions) c (key, version)
    LEFT JOIN {s}.values v ON v.number = session.number AND v.key = c.key
    WHERE c.version IS NOT NULL;
  -- It would have ended its lease, or given the values its version.
  IF forgotten AND NOT (a_ticket IS NOT NULL AND a_keep = 'no') AND conflict IS NOT FALSE THEN
    answer := 'unknown';
    RETURN;
  END IF;
  IF conflict THEN
    SELECT array_agg(v.value ORDER BY c.at), array_agg(coalesce(v.version, 0) ORDER BY c.at) INTO vals, versions
      FROM unnest(a_keys, a_versions) WITH ORDINALITY c (key, version, at)
      LEFT JOIN {s}.values v ON v.number = session.number AND v.key = c.key
      WHERE c.version IS NOT NULL;
    answer := 'conflict';
    RETURN;
  END IF;
  IF a_new IS NOT NULL AND EXISTS (SELECT FROM {s}.sessions s WHERE s.hidden = a_new) THEN
    answer := 'exists';
    RETURN;
  END IF;

  IF cardinality(a_keys) > 0 THEN
    DELETE FROM {s}.values v USING unnest(a_keys, a_vals) c (key, value)
      WHERE v.number = session.number AND v.key = c.key AND c.value IS NULL;
    INSERT INTO {s}.values (number, key, value, version)
      SELECT session.number, c.key, c.value, a_token FROM unnest(a_keys, a_vals) c (key, value)
      WHERE c.value IS NOT NULL
      ON CONFLICT (number, key) DO UPDATE SET value = excluded.value, version = excluded.version;
  END IF;
  -- What is not as it was reckoned from was changed meanwhile, by somebody who wrote the moment that is right.
  next_expires := session.expires;
  IF a_expires IS NOT NULL AND coalesce(a_expiry, session.expiry) = a_reckoned_expiry
    AND coalesce(a_provisional, session.provisional) = a_reckoned_provisional THEN
    next_expires := a_expires;
  END IF;
  UPDATE {s}.sessions s SET
    hidden = coalesce(a_new, s.hidden),
    expiry = coalesce(a_expiry, s.expiry),
    provisional = coalesce(a_provisional, s.provisional),
    expires = next_expires,
    owner = CASE WHEN a_owner_changes THEN a_owner ELSE s.owner END,
    since = CASE WHEN a_owner_changes THEN now ELSE s.since END,
    label = CASE WHEN a_label_changes THEN a_label ELSE s.label END,
    tokens = s.tokens[greatest(cardinality(s.tokens) - 14, 1):] || a_token,
    moments = s.moments[greatest(cardinality(s.moments) - 14, 1):] || now,
    commits = s.commits + 1
    WHERE s.number = session.number;

  IF a_new IS NOT NULL THEN
    DELETE FROM {s}.turns t WHERE t.number = session.number;
    woken := {s}.wake(session.number, a_node, true);
    DELETE FROM {s}.waiters w WHERE w.number = session.number;
    PERFORM {s}.leave(a_hidden, 'C', a_node, a_token, a_recent);
  ELSE
    IF next_expires < session.expires THEN
      PERFORM {s}.tell(a_node, 'X ' || a_node || ' ' || {s}.name_of(a_hidden) || ' ' || next_expires);
    END IF;
    IF cardinality(a_keys) > 0 AND EXISTS (
      SELECT FROM {s}.followers f JOIN {s}.nodes n ON n.node = f.node
      WHERE f.hidden = a_hidden AND f.node <> a_node AND n.until > now
    ) THEN
      PERFORM pg_notify('{c}', 'L ' || a_node || ' ' || {s}.name_of(a_hidden));
    END IF;
    awaited := a_keep <> 'no' AND EXISTS (
      SELECT FROM {s}.waiters w WHERE w.number = session.number AND w.deadline > now AND w.states && a_states
    );
    IF a_keep = 'yes' OR a_keep = 'unless awaited' AND NOT awaited THEN
      -- The next call holds it from now on.
      UPDATE {s}.turns t
        SET last = greatest(t.last, now + a_hold), deadline = least(now + a_lease, greatest(t.last, now + a_hold))
        WHERE t.number = session.number AND t.ticket = a_ticket;
      lease := CASE WHEN awaited THEN 'awaited' ELSE 'unawaited' END;
    ELSIF a_ticket IS NOT NULL THEN
      UPDATE {s}.turns t SET ticket = NULL WHERE t.number = session.number AND t.ticket = a_ticket;
      woken := {s}.wake(session.number, a_node, false);
      lease := 'ended';
    END IF;
  END IF;
  answer := 'done';
END $$;

-- This node lives, for so long from now on. Whether the others knew so until now.
CREATE FUNCTION {s}.beat(a_node text, a_span bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  was_known boolean;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  SELECT n.until > {s}.now_ms() INTO was_known FROM {s}.nodes n WHERE n.node = a_node;
  INSERT INTO {s}.nodes (node, until) VALUES (a_node, {s}.now_ms() + a_span)
    ON CONFLICT (node) DO UPDATE SET until = excluded.until;
  RETURN coalesce(was_known, false);
END $$;

-- Removes what has expired, so many sessions at most: how many there were.
CREATE FUNCTION {s}.tidy(a_most integer) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  gone bigint[];
  now bigint := {s}.now_ms();
BEGIN
  WITH expired AS (
    DELETE FROM {s}.sessions d WHERE d.ctid = ANY (ARRAY(
      SELECT s.ctid FROM {s}.sessions s WHERE s.expires <= now LIMIT a_most FOR UPDATE SKIP LOCKED
    )) RETURNING d.number
  ) SELECT coalesce(array_agg(number), '{}') INTO gone FROM expired;
  DELETE FROM {s}.values v WHERE v.number = ANY (gone);
  DELETE FROM {s}.turns t WHERE t.number = ANY (gone);
  DELETE FROM {s}.waiters w WHERE w.number = ANY (gone) OR w.deadline < now - 60000;
  DELETE FROM {s}.endings d WHERE d.ctid = ANY (ARRAY(
    SELECT e.ctid FROM {s}.endings e WHERE e.until <= now LIMIT a_most FOR UPDATE SKIP LOCKED
  ));
  DELETE FROM {s}.followers f WHERE NOT EXISTS (SELECT FROM {s}.nodes n WHERE n.node = f.node AND n.until > now)
    OR NOT EXISTS (SELECT FROM {s}.sessions s WHERE s.hidden = f.hidden);
  DELETE FROM {s}.nodes n WHERE n.until < now - 600000;
  RETURN cardinality(gone);
END $$;
