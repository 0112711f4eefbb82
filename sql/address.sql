-- The type cloudsat.address. Nothing here needs a search_path: operators are in pg_catalog.

-- what is accepted, in canonical form
SELECT input, input::cloudsat.address AS address
FROM (VALUES (1, 'i-42.inst.aws.example.com'), (2, 'App@I-42.Inst.AWS.Example.COM'), (3, 'alice@example.com.'), (4, '.'),
             (5, 'com'), (6, 'a--b.0'), (7, '!#$%&''*+-/=?^_`{|}~.x@y'), (8, rpad('', 63, 'a'))) AS v(n, input)
ORDER BY n;

-- what is refused: state, rule and place
CREATE FUNCTION pg_temp.refusal(input text, OUT state text, OUT message text, OUT detail text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM input::cloudsat.address;
    state := 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
END $$;
SELECT r.* FROM (VALUES
    (1, ''), (2, '..'), (3, '.com'), (4, 'a..com'), (5, 'a.com..'), (6, ' a.com'), (7, 'a.com '), (8, 'a_b.com'),
    (9, 'bücher.de'), (10, 'a@b@c'), (11, '-a.com'), (12, 'a.com-'), (13, 'alice@'), (14, '@example.com'),
    (15, 'al ice@x'), (16, '"alice"@x'), (17, '.alice@x'), (18, 'alice.@x'), (19, 'al..ice@x'), (20, 'app@.'),
    (21, 'app@..'), (22, E'a\nb'), (23, '*.example.com')) AS v(n, input), pg_temp.refusal(input) AS r
ORDER BY n;
-- limits: a label, a domain, a local part
SELECT what, ok.state AS longest, bad.state, bad.detail
FROM (VALUES (1, 'label', 'x.' || repeat('a', 63), 'x.' || repeat('a', 64)),
             (2, 'domain', repeat('a.', 126) || 'b', repeat('a.', 126) || 'bc'),
             (3, 'domain with local part', 'l@' || repeat('a.', 126) || 'b', 'l@' || repeat('a.', 127) || 'b'),
             (4, 'local part', repeat('a', 64) || '@x', repeat('a', 65) || '@x')) AS v(n, what, good, refused),
     pg_temp.refusal(good) AS ok, pg_temp.refusal(refused) AS bad
ORDER BY n;
-- a huge text is refused at once, and quoted in part
SELECT state, length(message), detail FROM pg_temp.refusal(repeat('a', 10000000));
SELECT state, length(message), detail FROM pg_temp.refusal(repeat('ä', 1000));
SELECT 'a..b'::cloudsat.address;
SELECT cloudsat.suffixes('a..b');

-- soft errors, where the server has them; before, the same values raise
SELECT current_setting('server_version_num')::int >= 160000 AS soft \gset
\if :soft
SELECT pg_input_is_valid('a.b', 'cloudsat.address') AND NOT pg_input_is_valid('a..b', 'cloudsat.address') AND
       (SELECT i.sql_error_code = '22P02' AND i.detail = 'A label has at least one character (byte 3).'
        FROM pg_input_error_info('a..b', 'cloudsat.address') AS i) AS soft_errors_work \gset
\else
\set soft_errors_work t
\endif
SELECT :'soft_errors_work' AS soft_errors_work;

-- casts: assignment to and from text and varchar, no implicit one
CREATE TEMP TABLE casts (a cloudsat.address, t text, v varchar(20));
INSERT INTO casts (a) VALUES ('A.b'::text), ('C.d'::varchar);
UPDATE casts SET t = a, v = a;
SELECT * FROM casts ORDER BY a;
INSERT INTO casts (a) VALUES ('a b'::text);
SELECT 'a.b'::cloudsat.address || '!';
SELECT lower('a.b'::cloudsat.address);
SELECT 42::cloudsat.address;

-- order: by labels from the right, an address before what lies under it, local parts before labels
SELECT a FROM unnest('{b.a,a,app@a,.,a.b,a.a,x@a.a,x.a.a,a-b,ab,0,com,app@b.a,a.b.a}'::cloudsat.address[]) AS a ORDER BY a;
SELECT a < b AS lt, a <= b AS le, a = b AS eq, a <> b AS ne, a >= b AS ge, a > b AS gt, cloudsat.address_cmp(a, b) AS cmp
FROM (VALUES (1, 'a.b'::cloudsat.address, 'a.b'::cloudsat.address), (2, 'b', 'a.b'), (3, 'a.c', 'z.b'), (4, 'A@B', 'a@b.'))
     AS v(n, a, b) ORDER BY n;
SELECT min(a), max(a) FROM unnest('{b.a,app@a,a.b,a}'::cloudsat.address[]) AS a;
SELECT min(a), max(a) FROM unnest('{}'::cloudsat.address[]) AS a;

-- subtrees
SELECT a, b, a <@ b AS under, a @> b AS over
FROM unnest('{app@h.x.y,h.x.y,x.y,y,.}'::cloudsat.address[]) AS a,
     unnest('{app@h.x.y,x.y,.,ax.y,app@x.y}'::cloudsat.address[]) AS b ORDER BY a, b;
SELECT NULL::cloudsat.address <@ 'a' AS under, 'a'::cloudsat.address @> NULL AS over;

-- functions
SELECT a, cloudsat.parent(a), cloudsat.domain(a), cloudsat.local(a), cloudsat.depth(a), cloudsat.channel(a)
FROM unnest('{app@h.x.y,h.x.y,y,.,App@.}'::cloudsat.address[]) AS a;
SELECT a, cloudsat.parent(a), cloudsat.domain(a), cloudsat.local(a), cloudsat.depth(a), cloudsat.channel(a)
FROM unnest('{app@h.x.y,h.x.y,y,.}'::cloudsat.address[]) AS a;
SELECT a, b, cloudsat.common_ancestor(a, b)
FROM (VALUES ('app@h.x.y'::cloudsat.address, 'web@h.x.y'::cloudsat.address), ('a.x.y', 'b.x.y'), ('a.y', 'y'), ('a', 'b'),
             ('ab.c', 'b.c'), ('app@x', 'apple@x'), ('a.b', 'a.b')) AS v(a, b);
SELECT cloudsat.suffixes('app@h.x.y'), cloudsat.suffixes('.');
SELECT cloudsat.suffixes('{app@h.x.y,web@h.x.y,z.y,app@h.x.y}'::cloudsat.address[]);
SELECT cloudsat.suffixes('{web@h.x.y,z.y,app@h.x.y}'::cloudsat.address[]) =
       cloudsat.suffixes('{app@h.x.y,web@h.x.y,z.y,app@h.x.y}'::cloudsat.address[]) AS order_of_input_is_irrelevant;
SELECT cloudsat.suffixes('{}'::cloudsat.address[]), cloudsat.suffixes('{{.,a},{b,a}}'::cloudsat.address[]);
SELECT cloudsat.suffixes(NULL::cloudsat.address), cloudsat.suffixes(NULL::cloudsat.address[]), cloudsat.channel(NULL);
\set VERBOSITY sqlstate
SELECT cloudsat.suffixes('{a,NULL}'::cloudsat.address[]);
\set VERBOSITY default
SELECT cloudsat.suffixes('{a,NULL}'::cloudsat.address[]);
-- the longest possible union is what its parts are
SELECT cardinality(cloudsat.suffixes(array_agg(((i || '.' || repeat('a.', 120) || 'b')::cloudsat.address)))) = 122 + 1000
FROM generate_series(1, 1000) AS i;

-- channels: a protocol (other clients compute it), at most 63 octets
SELECT cloudsat.channel('app@i-0123456789abcdef0.inst.eu-central-1.aws.messaging.example.com');
SELECT length(cloudsat.channel((repeat('l', 64) || '@' || repeat('a.', 126) || 'b')::cloudsat.address));
SELECT cloudsat.channel((repeat('a', 61) || '.b')::cloudsat.address) AS plain, cloudsat.channel((repeat('a', 62) || '.b')::cloudsat.address) AS hashed;

-- the bounds of an index range cannot get into a column
SELECT _cloudsat.subtree_end('x.y');
SELECT 'x'::_cloudsat.bound;
SELECT _cloudsat.subtree_end('x.y')::cloudsat.address;

-- sorting: against an oracle that compares arrays of labels. Hosts of a few domains, an address that recurs, high ones.
CREATE TEMP TABLE hosts AS
SELECT v::cloudsat.address AS a,
       (SELECT array_agg(label ORDER BY n DESC) FROM unnest(string_to_array(split_part('@' || v, '@', -1), '.'))
               WITH ORDINALITY AS u(label, n)) ||
       CASE WHEN v LIKE '%@%' THEN ARRAY[E'\x02' || split_part(v, '@', 1)] ELSE '{}' END AS oracle
FROM (SELECT CASE i % 4 WHEN 0 THEN 'app@' WHEN 1 THEN CASE i % 3 WHEN 0 THEN 'a.b@' ELSE '' END ELSE '' END ||
             CASE WHEN i % 100 = 0 THEN '' ELSE 'i-' || (i::bigint * 7919 % 20000) || '.' END ||
             (ARRAY['inst.eu-central-1.aws.example.com', 'inst.us-east-1.aws.example.com', 'x.y', 'example.com'])[1 + i % 4] AS v
      FROM generate_series(1, 30000) AS i) AS s;
CREATE FUNCTION pg_temp.disagreements(OUT bigint) LANGUAGE sql AS $$
    SELECT count(*) FROM (SELECT a, row_number() OVER (ORDER BY a) AS n FROM hosts) AS x
    JOIN (SELECT a, row_number() OVER (ORDER BY oracle COLLATE "C") AS n FROM hosts) AS y USING (n)
    WHERE x.a <> y.a $$;
SELECT count(*), count(DISTINCT a) FROM hosts;
SELECT pg_temp.disagreements();
-- abbreviations that turn out useless and are given up: first many of one domain, then all in another one
TRUNCATE hosts;
INSERT INTO hosts SELECT (i || '.a')::cloudsat.address, ARRAY['a', i::text] FROM generate_series(1, 500) AS i;
INSERT INTO hosts SELECT (i || '.very-long-name.example.z')::cloudsat.address, ARRAY['z', 'example', 'very-long-name', i::text]
FROM generate_series(20000, 1, -1) AS i;
SELECT pg_temp.disagreements();
SET work_mem = '64kB'; -- and with sorted runs on disk
SELECT pg_temp.disagreements();
RESET work_mem;

-- indexes. Statistics are of all rows, so that the plans are the same each time.
CREATE TABLE pg_temp.bots (a cloudsat.address, n int);
INSERT INTO bots SELECT (CASE i % 3 WHEN 0 THEN 'app@' ELSE '' END || 'i-' || i || '.' ||
                         CASE WHEN i % 100 < 50 THEN 'a.aws.example.com' WHEN i % 100 < 80 THEN 'b.aws.example.com'
                              WHEN i % 100 < 95 THEN 'example.org' ELSE 'lab.example.net' END)::cloudsat.address, i
FROM generate_series(1, 20000) AS i;
INSERT INTO bots SELECT 'example.com', i FROM generate_series(1, 8000) AS i;
INSERT INTO bots VALUES (NULL, 0), ('.', 0);
CREATE INDEX bots_a ON bots (a);
ANALYZE bots;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET enable_indexonlyscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM bots WHERE a <@ 'lab.example.net';
EXPLAIN (COSTS OFF) SELECT * FROM bots WHERE 'lab.example.net' @> a;
EXPLAIN (COSTS OFF) SELECT * FROM bots WHERE cloudsat.address_within(a, 'lab.example.net');
EXPLAIN (COSTS OFF) SELECT * FROM bots WHERE a @> 'app@i-7.lab.example.net';
EXPLAIN (COSTS OFF) SELECT * FROM bots WHERE a <@ 'example.com' AND a <@ 'aws.example.com' AND a > 'b.aws.example.com';
SET plan_cache_mode = force_generic_plan;
PREPARE under(cloudsat.address) AS SELECT count(*) FROM bots WHERE a <@ $1;
EXPLAIN (COSTS OFF) EXECUTE under('lab.example.net');
EXECUTE under('lab.example.net');
EXECUTE under('.');
EXECUTE under('nowhere');
EXECUTE under(NULL);
PREPARE over(cloudsat.address) AS SELECT count(*) FROM bots WHERE a @> $1;
EXPLAIN (COSTS OFF) EXECUTE over('app@i-7.example.com');
EXECUTE over('app@i-7.example.com');
RESET plan_cache_mode;
-- the inner side of a nested loop
CREATE TEMP TABLE zones (zone cloudsat.address);
INSERT INTO zones VALUES ('i-7.a.aws.example.com'), ('lab.example.net'), ('nowhere');
ANALYZE zones;
RESET enable_seqscan;
EXPLAIN (COSTS OFF) SELECT count(*) FROM zones JOIN bots ON a <@ zone;
SELECT zone, count(*) FROM zones JOIN bots ON a <@ zone GROUP BY zone ORDER BY zone;
INSERT INTO zones VALUES ('a.aws.example.com');
ANALYZE zones;
-- not with a column of the same row
EXPLAIN (COSTS OFF) SELECT * FROM bots AS b WHERE a <@ cloudsat.parent(a);
RESET enable_bitmapscan;
RESET enable_indexonlyscan;
-- the ends
SELECT min(a), max(a) FROM bots;

-- index and table say the same, for every subtree there is
SELECT count(*) AS subtrees, count(*) FILTER (WHERE by_index <> by_hand) AS wrong FROM (
    SELECT (SELECT count(*) FROM bots WHERE a <@ s) AS by_index,
           (SELECT count(*) FROM bots WHERE a IS NOT NULL AND
              (s = '.' OR a::text = s::text OR a::text LIKE '%.' || s::text OR a::text LIKE '%@' || s::text)) AS by_hand
    FROM (SELECT DISTINCT unnest(cloudsat.suffixes(a)) AS s FROM bots WHERE n % 1000 = 0) AS d) AS c;

-- conditions of all kinds combined, each way
CREATE FUNCTION pg_temp.counts(condition text, OUT by_index bigint, OUT by_scan bigint) LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_seqscan = on;
    EXECUTE 'SELECT count(*) FROM bots WHERE ' || condition INTO by_scan;
    SET LOCAL enable_indexscan = on; SET LOCAL enable_seqscan = off;
    EXECUTE 'SELECT count(n) FROM bots WHERE ' || condition INTO by_index;
END $$;
SELECT condition, c.* FROM (VALUES
    (1, $$a <@ 'example.com' AND a <@ 'aws.example.com' AND a > 'b.aws.example.com'$$),
    (2, $$a <@ 'aws.example.com' AND a <@ 'example.com' AND a <@ '.'$$),
    (3, $$a <@ 'aws.example.com' AND a <@ 'lab.example.net'$$),
    (4, $$a <@ 'aws.example.com' AND a = 'app@i-3.a.aws.example.com'$$),
    (5, $$a <@ 'lab.example.net' AND a = 'app@i-3.a.aws.example.com'$$),
    (6, $$a <@ 'com' AND a = ANY ('{example.com,app@i-3.a.aws.example.com,x.y}')$$),
    (7, $$a <@ 'example.com' AND a @> 'x@y.aws.example.com'$$),
    (8, $$a <@ 'example.org' AND a >= 'i-1' AND a <= 'i-2.example.org'$$),
    (9, $$a <@ 'example.com' OR a <@ 'lab.example.net'$$),
    (10, $$a <@ 'example.com' AND NOT a <@ 'aws.example.com'$$)) AS v(n, condition), pg_temp.counts(condition) AS c ORDER BY n;
RESET enable_seqscan;
RESET enable_bitmapscan;
RESET enable_indexonlyscan;

-- estimates: not further off than a factor of 3, or 20 rows, for subtrees of every size
CREATE FUNCTION pg_temp.estimate(query text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE plan jsonb;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
    RETURN plan -> 0 -> 'Plan' ->> 'Plan Rows';
END $$;
CREATE FUNCTION pg_temp.close(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE guess float8 := pg_temp.estimate(query); truth float8;
BEGIN
    EXECUTE 'SELECT count(*) FROM (' || query || ') AS q' INTO truth;
    RETURN CASE WHEN guess BETWEEN truth / 3 - 20 AND truth * 3 + 20 THEN 'close'
                ELSE format('%s rows, estimated %s', truth, guess) END;
END $$;
SELECT s, pg_temp.close(format('SELECT FROM bots WHERE a <@ %L', s))
FROM unnest('{.,com,example.com,aws.example.com,a.aws.example.com,b.aws.example.com,i-7.a.aws.example.com,org,example.org,lab.example.net,app@i-9.a.aws.example.com,nowhere,nowhere.com}'::text[]) AS s;
SELECT s, pg_temp.close(format('SELECT FROM bots WHERE a @> %L', s)) FROM unnest('{.,com,x@y.example.com,i-7.example.org}'::text[]) AS s;
SELECT pg_temp.close('SELECT FROM bots WHERE a <@ NULL');
SELECT pg_temp.close('SELECT FROM bots WHERE NOT a <@ ''example.com''');
SELECT pg_temp.close('SELECT FROM bots JOIN zones ON a <@ zone');
SELECT pg_temp.close('SELECT FROM bots JOIN zones ON zone @> a');
SELECT pg_temp.close('SELECT FROM bots WHERE cloudsat.address_within(a, ''b.aws.example.com'')');
SELECT pg_temp.close('SELECT FROM bots AS x JOIN bots AS y ON x.a <@ y.a WHERE y.n < 10');
SELECT pg_temp.close('SELECT FROM zones WHERE EXISTS (SELECT FROM bots WHERE a <@ zone)');
SELECT pg_temp.close('SELECT FROM bots WHERE EXISTS (SELECT FROM zones WHERE a <@ zone)');
-- containers made of something that is no address, with statistics of its own
CREATE FUNCTION pg_temp.host(i int) RETURNS cloudsat.address IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN RETURN 'i-' || i || '.example.org'; END $$;
CREATE TEMP TABLE numbers AS SELECT 80 + i % 10 AS n FROM generate_series(1, 100) AS i;
CREATE TEMP TABLE texts AS SELECT 'example.' || (ARRAY['com', 'org'])[1 + i % 2] AS t FROM generate_series(1, 4) AS i;
ANALYZE numbers;
ANALYZE texts;
SELECT count(*) FROM numbers AS x JOIN bots ON a <@ pg_temp.host(x.n);
SELECT count(*) FROM texts AS x JOIN bots ON a <@ x.t::cloudsat.address;
SELECT count(*) FROM zones JOIN bots ON a <@ cloudsat.parent(zone);
-- a table without statistics
CREATE TEMP TABLE fresh (a cloudsat.address);
SELECT pg_temp.estimate('SELECT FROM fresh WHERE a <@ ''.''') > 100 AS everything,
       pg_temp.estimate('SELECT FROM fresh WHERE a <@ ''x.y''') < 100 AS little;
INSERT INTO fresh VALUES ('a.b'), (NULL);
ANALYZE fresh;
SELECT pg_temp.estimate('SELECT FROM fresh WHERE a <@ ''b''') BETWEEN 1 AND 2 AS one_row;

-- equal addresses have equal hashes: joins, groups and partitions by hash
SELECT count(*) FROM (VALUES ('A.b'::cloudsat.address), ('a.B.'), ('a@b'), ('A@b.')) AS x(a)
WHERE cloudsat.address_hash(a) = cloudsat.address_hash(lower(a::text)::cloudsat.address)
  AND cloudsat.address_hash_extended(a, 7) = cloudsat.address_hash_extended(lower(a::text)::cloudsat.address, 7)
  AND cloudsat.address_hash_extended(a, 0) & 4294967295 = cloudsat.address_hash(a)::bigint & 4294967295;
SET enable_mergejoin = off;
SET enable_nestloop = off;
SET enable_sort = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM bots JOIN zones ON a = zone;
EXPLAIN (COSTS OFF) SELECT a, count(*) FROM bots GROUP BY a;
SELECT count(*), sum(c) FROM (SELECT a, count(*) AS c FROM bots GROUP BY a) AS g;
RESET enable_sort;
SET enable_hashjoin = off;
SET enable_mergejoin = on;
EXPLAIN (COSTS OFF) SELECT count(*) FROM bots AS x JOIN bots AS y USING (a);
SELECT count(*) FROM (SELECT DISTINCT a FROM bots) AS x JOIN bots AS y USING (a);
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET enable_nestloop;
CREATE TEMP TABLE parts (a cloudsat.address PRIMARY KEY) PARTITION BY HASH (a);
CREATE TEMP TABLE parts_0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TEMP TABLE parts_1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO parts SELECT DISTINCT a FROM bots WHERE a IS NOT NULL;
SELECT count(*) FROM parts WHERE a = 'example.com';
INSERT INTO parts VALUES ('Example.COM.');

-- duplicates share index entries
CREATE INDEX bots_dup ON bots (a) WHERE a = 'example.com';
SELECT pg_relation_size('bots_dup') < 200000 AS deduplicated;

-- compressed and moved out of line: every function reads them
CREATE TEMP TABLE wide (a cloudsat.address, filler text) WITH (toast_tuple_target = 128);
ALTER TABLE wide ALTER a SET STORAGE EXTENDED;
ALTER TABLE wide ALTER filler SET STORAGE PLAIN;
INSERT INTO wide SELECT (i || '.' || repeat('a.', 120) || 'b')::cloudsat.address, repeat('x', 2000) FROM generate_series(1, 50) AS i;
ALTER TABLE wide ALTER a SET STORAGE EXTERNAL;
INSERT INTO wide SELECT (i || '.' || repeat('a.', 120) || 'b')::cloudsat.address, repeat('x', 2000) FROM generate_series(26, 75) AS i;
SELECT count(*) FILTER (WHERE pg_column_compression(a) IS NOT NULL) AS compressed,
       pg_relation_size(reltoastrelid) > 0 AS out_of_line
FROM wide, pg_class WHERE pg_class.oid = 'wide'::regclass GROUP BY 2;
SELECT count(*), count(DISTINCT a), max(cloudsat.depth(a)), count(*) FILTER (WHERE a <@ 'a.b'),
       min(split_part(a::text, '.', 1)), count(*) FILTER (WHERE a = ('30.' || repeat('a.', 120) || 'b')::cloudsat.address)
FROM wide;
CREATE INDEX wide_a ON wide (a);
SELECT count(*) FROM wide AS x JOIN wide AS y USING (a);

-- types of the extension in other types
SELECT ARRAY['b.a', 'a']::cloudsat.address[] < ARRAY['b.a', 'b']::cloudsat.address[] AS arrays_compare,
       ROW('a'::cloudsat.address) = ROW('A'::cloudsat.address) AS rows_compare;
CREATE DOMAIN pg_temp.bot AS cloudsat.address CHECK (VALUE <@ 'example.com');
SELECT 'x.example.com'::pg_temp.bot <@ 'example.com' AS member;
SELECT 'x.example.org'::pg_temp.bot;
CREATE TEMP TABLE of_domain (a pg_temp.bot);
CREATE INDEX ON of_domain (a);
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM of_domain WHERE a <@ 'x.example.com';
RESET enable_seqscan;
