-- Options of a broker's server and user mapping: each wrong one is named, with what would be right.
\set SHOW_CONTEXT always
\set VERBOSITY default

-- names
CREATE SERVER bad FOREIGN DATA WRAPPER rabbitmq OPTIONS (management_uri 'http://broker:15672');
CREATE SERVER bad FOREIGN DATA WRAPPER rabbitmq OPTIONS (smtp_url 'smtp://broker');
ALTER FOREIGN DATA WRAPPER rabbitmq OPTIONS (ADD enforce 'on');

-- URLs
CREATE SERVER bad FOREIGN DATA WRAPPER rabbitmq OPTIONS (management_url '');
CREATE SERVER bad FOREIGN DATA WRAPPER rabbitmq OPTIONS (management_url 'broker:15672');
CREATE SERVER bad FOREIGN DATA WRAPPER rabbitmq OPTIONS (management_url 'ftp://broker');
CREATE SERVER bad FOREIGN DATA WRAPPER rabbitmq OPTIONS (management_url 'http://user:secret@broker:15672');
CREATE SERVER bad FOREIGN DATA WRAPPER rabbitmq OPTIONS (metrics_url 'http://broker:99999');
CREATE SERVER bad FOREIGN DATA WRAPPER rabbitmq OPTIONS (metrics_url 'http://broker/metrics?family=x');
CREATE SERVER bad FOREIGN DATA WRAPPER rabbitmq OPTIONS (amqp_url 'http://broker');
CREATE SERVER bad FOREIGN DATA WRAPPER rabbitmq OPTIONS (amqp_url 'amqp://broker/vhost');
CREATE SERVER bad FOREIGN DATA WRAPPER rabbitmq OPTIONS (amqp_url 'amqps://user:secret@broker');

-- numbers
CREATE SERVER bad FOREIGN DATA WRAPPER rabbitmq OPTIONS (poll_interval 'soon');
CREATE SERVER bad FOREIGN DATA WRAPPER rabbitmq OPTIONS (poll_interval '1ms');
CREATE SERVER bad FOREIGN DATA WRAPPER rabbitmq OPTIONS (poll_interval '10min');
CREATE SERVER bad FOREIGN DATA WRAPPER rabbitmq OPTIONS (timeout '-1s');
CREATE SERVER bad FOREIGN DATA WRAPPER rabbitmq OPTIONS (max_body '1kB');
CREATE SERVER bad FOREIGN DATA WRAPPER rabbitmq OPTIONS (max_body 'much');
CREATE SERVER bad FOREIGN DATA WRAPPER rabbitmq OPTIONS (warn_size '2k');
CREATE SERVER bad FOREIGN DATA WRAPPER rabbitmq OPTIONS (warn_size '-1');
CREATE SERVER bad FOREIGN DATA WRAPPER rabbitmq OPTIONS (enforce 'maybe');
CREATE SERVER bad FOREIGN DATA WRAPPER rabbitmq OPTIONS (tls_verify '');

-- patterns, addresses, files
CREATE SERVER bad FOREIGN DATA WRAPPER rabbitmq OPTIONS (vhosts '(');
CREATE SERVER bad FOREIGN DATA WRAPPER rabbitmq OPTIONS (owner_pattern '^queue/([^/]+/');
CREATE SERVER bad FOREIGN DATA WRAPPER rabbitmq OPTIONS (address 'guardian@');
CREATE SERVER bad FOREIGN DATA WRAPPER rabbitmq OPTIONS (address 'the guardian');
CREATE SERVER bad FOREIGN DATA WRAPPER rabbitmq OPTIONS (admins 'ops@example.com, not an address');
CREATE SERVER bad FOREIGN DATA WRAPPER rabbitmq OPTIONS (admins 'ops@example.com,');
CREATE SERVER bad FOREIGN DATA WRAPPER rabbitmq OPTIONS (ca_file 'ca.pem');

-- sizes must rise, in the whole that a command leaves
CREATE SERVER bad FOREIGN DATA WRAPPER rabbitmq OPTIONS (warn_size '9000');
CREATE SERVER bad FOREIGN DATA WRAPPER rabbitmq OPTIONS (delete_size '100');
CREATE SERVER sizes FOREIGN DATA WRAPPER rabbitmq OPTIONS (warn_size '9000', delete_size '9000');
ALTER SERVER sizes OPTIONS (SET delete_size '8999');
ALTER SERVER sizes OPTIONS (SET delete_size '100', SET warn_size '10');
ALTER SERVER sizes OPTIONS (SET warn_size '200');
ALTER SERVER sizes OPTIONS (ADD archive_size '50');
ALTER SERVER sizes OPTIONS (ADD archive_size '50', ADD amqp_url 'amqp://broker');
ALTER SERVER sizes OPTIONS (SET archive_size '9');
ALTER SERVER sizes OPTIONS (SET archive_size '101');
ALTER SERVER sizes OPTIONS (DROP amqp_url);
DROP SERVER sizes;

-- all of them, good
CREATE SERVER good FOREIGN DATA WRAPPER rabbitmq OPTIONS (
    management_url 'https://broker.example.com:15671/', metrics_url 'http://[::1]:15692', vhosts '^(a|b/.*)$',
    poll_interval '300ms', max_poll_interval '10 min', timeout '30', connect_timeout '1.5s', max_body '64MB',
    ca_file '/etc/ssl/broker.pem', tls_verify 'off', owner_pattern '^q/([^/]+)/', reserved_owners '^admin',
    address 'guardian@pulse.example.com', admins 'ops@example.com, pager.example.com',
    amqp_url 'amqps://[::1]:5671/', warn_size '0', archive_size '5',
    max_archive_size '1000000', delete_size '9223372036854775807', enforce 'on');

-- user mappings: a user, and one way to a password
CREATE USER MAPPING FOR CURRENT_USER SERVER good OPTIONS (username 'guardian');
CREATE USER MAPPING FOR CURRENT_USER SERVER good OPTIONS (password 'secret');
CREATE USER MAPPING FOR CURRENT_USER SERVER good OPTIONS (user 'guardian');
CREATE USER MAPPING FOR CURRENT_USER SERVER good OPTIONS (user 'a:b', password 'secret');
CREATE USER MAPPING FOR CURRENT_USER SERVER good OPTIONS (user 'guardian', password '');
CREATE USER MAPPING FOR CURRENT_USER SERVER good OPTIONS (user 'guardian', password_file 'pulse');
CREATE USER MAPPING FOR CURRENT_USER SERVER good
    OPTIONS (user 'guardian', password 'secret', password_file '/etc/cloudsat/pulse');
CREATE USER MAPPING FOR CURRENT_USER SERVER good OPTIONS (user 'guardian', password_file '/nonexistent/pulse');

-- only who may read the server's files may name one
CREATE ROLE regress_cloudsat_operator;
GRANT cloudsat_admin TO regress_cloudsat_operator;
SET ROLE regress_cloudsat_operator;
CREATE SERVER mine FOREIGN DATA WRAPPER rabbitmq OPTIONS (management_url 'http://broker:15672', ca_file '/etc/ssl/x.pem');
CREATE SERVER mine FOREIGN DATA WRAPPER rabbitmq OPTIONS (management_url 'http://broker:15672');
CREATE USER MAPPING FOR CURRENT_USER SERVER mine OPTIONS (user 'guardian', password_file '/etc/passwd');
CREATE USER MAPPING FOR CURRENT_USER SERVER mine OPTIONS (user 'guardian', password 'secret');
DROP SERVER mine CASCADE;
RESET ROLE;

-- poll() says what is missing
SELECT cloudsat.poll(NULL);
SELECT cloudsat.poll('nowhere');
SELECT cloudsat.poll('good');
CREATE FOREIGN DATA WRAPPER other;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER other;
SELECT cloudsat.poll('elsewhere');
CREATE SERVER bare FOREIGN DATA WRAPPER rabbitmq;
SELECT cloudsat.poll('bare');
ALTER SERVER bare OPTIONS (ADD management_url 'http://127.0.0.1:1');
\set VERBOSITY terse
SELECT cloudsat.poll('bare');
\set VERBOSITY default
BEGIN READ ONLY;
SELECT cloudsat.poll('bare');
ROLLBACK;

-- a broker that is not there is a warning and a row, not an error
CREATE USER MAPPING FOR PUBLIC SERVER bare OPTIONS (user 'guardian', password 'secret');
SELECT queues, changed, events, bytes FROM cloudsat.poll('bare');
SELECT queues, changed, events, bytes FROM cloudsat.poll('bare');
SELECT server, cycle, last_success, queues, consecutive_failures, last_error_kind, next_poll > last_poll AS later
  FROM cloudsat.polls;

-- nobody else may poll, or look
CREATE ROLE regress_cloudsat_nobody;
SET ROLE regress_cloudsat_nobody;
SELECT cloudsat.poll('bare');
SELECT * FROM cloudsat.queues;
RESET ROLE;

SET client_min_messages = warning;
DELETE FROM cloudsat.polls;
DROP SERVER bare CASCADE;
DROP FOREIGN DATA WRAPPER other CASCADE;
DROP SERVER good CASCADE;
DROP ROLE regress_cloudsat_operator;
DROP ROLE regress_cloudsat_nobody;
