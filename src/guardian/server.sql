-- A broker is a foreign server: options of the server hold its endpoints, those of a user mapping the
-- credentials.

CREATE FUNCTION _cloudsat.rabbitmq_validator(options pg_catalog.text[],
    catalog pg_catalog.oid) RETURNS pg_catalog.void
    AS 'MODULE_PATHNAME', 'cloudsat__rabbitmq_validator' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION _cloudsat.rabbitmq_validator(pg_catalog.text[], pg_catalog.oid) IS
    'checks the options of a broker''s server or user mapping; an error lists the valid ones';

CREATE FOREIGN DATA WRAPPER rabbitmq NO HANDLER VALIDATOR _cloudsat.rabbitmq_validator;
COMMENT ON FOREIGN DATA WRAPPER rabbitmq IS 'RabbitMQ brokers watched by cloudsat''s guardian';
