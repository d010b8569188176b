-- The tables that the examples read. SQLite, PostgreSQL, MySQL and MariaDB all understand this file:
--
--   sqlite3 shop.db < shop.sql
--   psql "$SHOP_URL" -f shop.sql
--   mysql -h 127.0.0.1 -u user -p shop < shop.sql

CREATE TABLE customers (
  id BIGINT NOT NULL PRIMARY KEY,
  first_name VARCHAR(40),
  last_name VARCHAR(40) NOT NULL,
  email VARCHAR(100),
  country CHAR(2),
  credit DECIMAL(12, 4),
  -- The last-modified field. Whatever changes a row must set it: the program, a trigger, or ON UPDATE in MySQL.
  updated_at TIMESTAMP(6) NOT NULL
);
CREATE INDEX customers_changed ON customers (updated_at, id);

CREATE TABLE countries (
  code CHAR(2) NOT NULL PRIMARY KEY,
  name VARCHAR(60) NOT NULL
);

INSERT INTO customers VALUES
  (1, 'Ada', 'Lovelace', 'Ada@Example.org ', 'GB', 12.3450, '2024-01-01T10:00:00'),
  (2, 'Emmy', 'Noether', 'emmy@example.org', 'DE', 0.0050, '2024-01-01T10:00:00'),
  (3, 'Sofja', 'Kowalewskaja', NULL, 'SE', NULL, '2024-01-02T08:30:00.000001'),
  (4, NULL, 'Hypatia', 'hypatia@example.org', 'GR', 1000000.0000, '2024-01-03T23:59:59.999999');

INSERT INTO countries VALUES ('DE', 'Deutschland'), ('GB', 'United Kingdom'), ('GR', 'Ελλάδα'), ('SE', 'Sverige');
