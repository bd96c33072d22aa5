#!/bin/sh
# One visit more, in both.
cached=$(redis-cli -h "$REDIS" incr visits)
kept=$(psql -Atqc 'insert into visits default values; select count(*) from visits')
printf 'Content-Type: text/plain\r\n\r\nvisit %s to this cache, %s to this page\n' "$cached" "$kept"
