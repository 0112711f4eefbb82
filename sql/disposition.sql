-- The type cloudsat.disposition: six values, one byte.

SELECT d, cloudsat.is_final(d), pg_column_size(d)
FROM unnest('{end,belay,problem,info,acknowledged,ignored}'::cloudsat.disposition[]) AS d ORDER BY d;
SELECT 'Done'::cloudsat.disposition, 'DONE'::cloudsat.disposition, 'END'::cloudsat.disposition, 'Acknowledged'::cloudsat.disposition;

-- what is refused
SELECT ''::cloudsat.disposition;
SELECT 'ack'::cloudsat.disposition;
SELECT ' end'::cloudsat.disposition;
SELECT repeat('ä', 1000)::cloudsat.disposition;
SELECT '1'::text::cloudsat.disposition;
\set VERBOSITY sqlstate
SELECT 'ended'::cloudsat.disposition;
SELECT 'ended'::text::cloudsat.disposition;
\set VERBOSITY default

-- soft errors, where the server has them
SELECT current_setting('server_version_num')::int >= 160000 AS soft \gset
\if :soft
SELECT pg_input_is_valid('DONE', 'cloudsat.disposition') AND NOT pg_input_is_valid('x', 'cloudsat.disposition') AS soft_errors_work \gset
\else
\set soft_errors_work t
\endif
SELECT :'soft_errors_work' AS soft_errors_work;

-- casts
CREATE TEMP TABLE casts (d cloudsat.disposition, t text, v varchar(20));
INSERT INTO casts (d) VALUES ('done'::text), ('INFO'::varchar), (NULL);
UPDATE casts SET t = d, v = d;
SELECT * FROM casts ORDER BY d;
INSERT INTO casts (d) VALUES (1);

-- order
SELECT a < b AS lt, a <= b AS le, a = b AS eq, a <> b AS ne, a >= b AS ge, a > b AS gt, cloudsat.disposition_cmp(a, b) AS cmp
FROM (VALUES (1, 'ignored'::cloudsat.disposition, 'end'::cloudsat.disposition), (2, 'done', 'end'), (3, 'belay', 'problem')) AS v(n, a, b)
ORDER BY n;
SELECT min(d), max(d) FROM unnest('{info,end,belay,acknowledged}'::cloudsat.disposition[]) AS d;
SELECT cloudsat.is_final(NULL);

-- indexes, joins, groups, partitions
CREATE TEMP TABLE replies (d cloudsat.disposition, n int);
INSERT INTO replies SELECT (enum_like.names)[1 + i % 6]::cloudsat.disposition, i
FROM generate_series(1, 6000) AS i, (SELECT '{ignored,acknowledged,info,problem,belay,end}'::text[] AS names) AS enum_like;
CREATE INDEX replies_d ON replies (d);
CREATE INDEX replies_hash ON replies USING hash (d);
ANALYZE replies;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM replies WHERE d > 'problem';
SELECT count(*) FROM replies WHERE d > 'problem';
DROP INDEX replies_d;
EXPLAIN (COSTS OFF) SELECT n FROM replies WHERE d = 'done';
SELECT count(n) FROM replies WHERE d = 'done';
RESET enable_seqscan;
RESET enable_bitmapscan;
SELECT d, count(*) FROM replies GROUP BY d ORDER BY d DESC;
SELECT count(*) FROM replies AS x JOIN replies AS y USING (d);
SELECT count(*) FROM unnest('{ignored,end}'::cloudsat.disposition[]) AS d
WHERE cloudsat.disposition_hash_extended(d, 0) & 4294967295 = cloudsat.disposition_hash(d)::bigint & 4294967295;
CREATE TEMP TABLE parts (d cloudsat.disposition) PARTITION BY HASH (d);
CREATE TEMP TABLE parts_0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TEMP TABLE parts_1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO parts SELECT d FROM replies;
SELECT count(*) FROM parts WHERE d = 'belay';
