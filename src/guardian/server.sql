-- A broker is a foreign server: its endpoints are the server's options, its credentials those of a user mapping.

CREATE FUNCTION _cloudsat.rabbitmq_validator(options pg_catalog.text[], catalog pg_catalog.oid) RETURNS pg_catalog.void
    AS 'MODULE_PATHNAME', 'cloudsat__rabbitmq_validator' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION _cloudsat.rabbitmq_validator(pg_catalog.text[], pg_catalog.oid) IS
    'checks the options of a broker''s server or user mapping; an error names the valid ones';

CREATE FOREIGN DATA WRAPPER rabbitmq NO HANDLER VALIDATOR _cloudsat.rabbitmq_validator;
COMMENT ON FOREIGN DATA WRAPPER rabbitmq IS 'RabbitMQ brokers that cloudsat''s guardian watches';
