#!/bin/bash
# What the start script of the image mysql does, as far as compose.yaml uses it, for Debian's MariaDB.
set -euo pipefail
chown nobody:nogroup /var/lib/mysql /run/mysqld
chmod 1777 /run/mysqld
password=$(cat "$MYSQL_PASSWORD_FILE")
if [ ! -d /var/lib/mysql/mysql ]; then
    mariadb-install-db --no-defaults --user=nobody --datadir=/var/lib/mysql --skip-test-db >/dev/null
fi
cat > /tmp/init.sql <<SQL
CREATE DATABASE IF NOT EXISTS $MYSQL_DATABASE;
CREATE USER IF NOT EXISTS $MYSQL_USER@'%' IDENTIFIED BY '$password';
GRANT ALL ON $MYSQL_DATABASE.* TO $MYSQL_USER@'%';
SQL
chmod 644 /tmp/init.sql
exec mariadbd --no-defaults --user=nobody --datadir=/var/lib/mysql --socket=/run/mysqld/mysqld.sock \
    --pid-file=/tmp/mariadbd.pid --init-file=/tmp/init.sql --innodb-buffer-pool-size=48M
