-- The archive as SQL sees it: properties for people, reading, taking, and what is refused.
\set SHOW_CONTEXT never

-- properties: flags and values as AMQP has them
SELECT cloudsat.amqp_properties('\x0000');
SELECT cloudsat.amqp_properties('\x10000002'), cloudsat.amqp_properties('\x100002');
SELECT cloudsat.amqp_properties('\x2000 0000000b 016b 54 000000006553f100') AS timestamp;
SELECT cloudsat.amqp_properties('\x2000 0000000b 016b 54 000000006553f1') AS cut_short;
SELECT cloudsat.amqp_properties('\x2000 0000000a 016b 53 00000003 610062') AS nul;
SELECT cloudsat.amqp_properties('\xb000 0a 746578742f706c61696e 00000007 016146 00000000 02') AS several;
SELECT cloudsat.amqp_properties(''), cloudsat.amqp_properties(NULL), cloudsat.amqp_properties('\xffff');

-- reading and taking
INSERT INTO cloudsat.archived_messages (server, vhost, queue, archived_at, exchange, routing_key, redelivered, properties, body)
    SELECT 'pulse', '/', queue, '2024-05-01', 'x', 'key ' || i, i = 2, '\x100002', convert_to(queue || ' ' || i, 'UTF8')
    FROM generate_series(1, 5) AS i, unnest(ARRAY['a', 'b']) AS queue ORDER BY i;
SELECT exchange, routing_key, redelivered, properties, convert_from(body, 'UTF8'), raw_properties
    FROM cloudsat.archived('pulse', '/', 'a');
SELECT vhost, queue, messages, bytes FROM cloudsat.archives ORDER BY queue;
SELECT convert_from(body, 'UTF8'), properties, raw_properties FROM cloudsat.take_archived('pulse', '/', 'a', 2);
SELECT convert_from(body, 'UTF8') FROM cloudsat.take_archived('pulse', '/', 'a', 9223372036854775807);
SELECT count(*) FROM cloudsat.take_archived('pulse', '/', 'a', 1);
SELECT count(*) FROM cloudsat.take_archived('pulse', '/', 'b', 0);
SELECT queue, messages FROM cloudsat.archives;
SELECT * FROM cloudsat.take_archived(NULL, '/', 'a', 1);
SELECT * FROM cloudsat.take_archived('pulse', NULL, 'a', 1);
SELECT * FROM cloudsat.take_archived('pulse', '/', NULL, 1);
SELECT * FROM cloudsat.take_archived('pulse', '/', 'a', NULL);
SELECT * FROM cloudsat.take_archived('pulse', '/', 'a', -1);

-- replaying needs a broker, a way to it, and sense
SELECT * FROM cloudsat.replay(NULL, '/', 'a', 1);
SELECT * FROM cloudsat.replay('pulse', NULL, 'a', 1);
SELECT * FROM cloudsat.replay('pulse', '/', NULL, 1);
SELECT * FROM cloudsat.replay('pulse', '/', 'a', NULL);
SELECT * FROM cloudsat.replay('pulse', '/', 'a', -1);
SELECT * FROM cloudsat.replay('pulse', '/', '', 1);
SELECT * FROM cloudsat.replay('pulse', '/', repeat('q', 256), 1);
SELECT * FROM cloudsat.replay('pulse', '/', 'a', 1);
-- the owner has a name of its own, because a message tells it
CREATE ROLE regress_cloudsat_owner SUPERUSER;
CREATE SERVER archive FOREIGN DATA WRAPPER rabbitmq OPTIONS (management_url 'http://127.0.0.1:1');
ALTER SERVER archive OWNER TO regress_cloudsat_owner;
SELECT * FROM cloudsat.replay('archive', '/', 'a', 1);
CREATE USER MAPPING FOR regress_cloudsat_owner SERVER archive OPTIONS (user 'guardian', password 'secret');
SELECT * FROM cloudsat.replay('archive', '/', 'a', 1);
ALTER SERVER archive OPTIONS (ADD amqp_url 'amqp://127.0.0.1:1');
SELECT * FROM cloudsat.replay('archive', '/', 'a', 1);
BEGIN READ ONLY;
SELECT * FROM cloudsat.replay('archive', '/', 'a', 1);
ROLLBACK;
DROP SERVER archive CASCADE;
DROP ROLE regress_cloudsat_owner;
DELETE FROM cloudsat.archived_messages;
