-- A database for each service that owns tables, and the role that may use it. The superuser makes and migrates them.
CREATE ROLE tenants LOGIN PASSWORD 'development';
CREATE DATABASE tenants;
CREATE ROLE identity LOGIN PASSWORD 'development';
CREATE DATABASE identity;
CREATE ROLE notifications LOGIN PASSWORD 'development';
CREATE DATABASE notifications;
