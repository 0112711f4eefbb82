-- Privileges on the processes.

GRANT EXECUTE ON FUNCTION cloudsat.start, cloudsat.stop TO cloudsat_admin;
GRANT EXECUTE ON FUNCTION _cloudsat.workers TO cloudsat_admin, cloudsat_adhoc;
GRANT SELECT ON cloudsat.worker_status TO cloudsat_admin, cloudsat_adhoc;
