-- Limits for some queues: what does not make sense is refused, with the reason.
\set SHOW_CONTEXT never
INSERT INTO cloudsat.queue_policies (queue) VALUES (NULL);
INSERT INTO cloudsat.queue_policies (queue) VALUES ('(');
INSERT INTO cloudsat.queue_policies (queue, vhost) VALUES ('.', '[a');
INSERT INTO cloudsat.queue_policies (queue, warn_size, delete_size) VALUES ('.', 100, 10);
INSERT INTO cloudsat.queue_policies (queue, warn_size) VALUES ('.', -1);
INSERT INTO cloudsat.queue_policies (queue, archive_size, delete_size) VALUES ('.', 100, 10);
INSERT INTO cloudsat.queue_policies (queue, archive_size, warn_size) VALUES ('.', 10, 100);
INSERT INTO cloudsat.queue_policies (queue, archive_size) VALUES ('.', -2);
INSERT INTO cloudsat.queue_policies (queue, archive_size, warn_size, delete_size) VALUES ('^never/', -1, 10, 100);
INSERT INTO cloudsat.queue_policies (queue, basis) VALUES ('.', 'age');
INSERT INTO cloudsat.queue_policies (queue, warn_size, delete_size) VALUES ('^big/', 100, 100);
UPDATE cloudsat.queue_policies SET queue = '*';
UPDATE cloudsat.queue_policies SET warn_size = 101;
UPDATE cloudsat.queue_policies SET archive_size = 100, warn_size = 50, delete_size = 100;
SELECT server, vhost, queue, priority, warn_size, archive_size, max_archive_size, delete_size, unbounded, exempt, basis FROM cloudsat.queue_policies;
DELETE FROM cloudsat.queue_policies;

-- the audit is append-only
\set VERBOSITY terse
INSERT INTO cloudsat.queue_events (at, server, vhost, name, event) VALUES (now(), 's', '/', 'q', 'explode');
INSERT INTO cloudsat.queue_events (at, server, vhost, name, event) VALUES (now(), 's', '/', 'q', 'appeared');
UPDATE cloudsat.queue_events SET event = 'deleted';
DELETE FROM cloudsat.queue_events;

-- days of history: made ahead, moved out of the default, dropped when old
INSERT INTO cloudsat.queue_history ("time", server, vhost, name, messages)
    SELECT now() - day * interval '1 day', 's', '/', 'q', day FROM generate_series(0, 9) AS day;
SELECT _cloudsat.maintain_history('7 days', 2) > 0 AS worked;
SELECT _cloudsat.maintain_history('7 days', 2);
SELECT count(*) AS kept, (SELECT count(*) FROM ONLY cloudsat.queue_history_default) AS in_default
  FROM cloudsat.queue_history;
SELECT _cloudsat.maintain_history('1 second', 2) > 0 AS dropped;
DELETE FROM cloudsat.queue_history;
