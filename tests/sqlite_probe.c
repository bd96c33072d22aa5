// sqlite_probe FILE N: adds 1 to a number in a database, N times, each time having read it before.
// For locks_test.py: built static, run in containers that share the file.
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char answer[64];

static int keep(void* unused, int columns, char** values, char** names) {
    (void)unused, (void)columns, (void)names;
    snprintf(answer, sizeof answer, "%s", values[0]);
    return 0;
}

static void run(sqlite3* database, const char* statement) {
    char* message = NULL;
    if (sqlite3_exec(database, statement, keep, NULL, &message) == SQLITE_OK) return;
    printf("%s: %s\n", statement, message);
    exit(1);
}

int main(int argc, char** argv) {
    sqlite3* database;
    if (argc != 3 || sqlite3_open(argv[1], &database) != SQLITE_OK) return 2;
    sqlite3_busy_timeout(database, 120000);
    run(database,
        "BEGIN IMMEDIATE; CREATE TABLE IF NOT EXISTS t (n); "
        "INSERT INTO t SELECT 0 WHERE NOT EXISTS (SELECT * FROM t); COMMIT");
    for (int i = atoi(argv[2]); i > 0; --i) {
        run(database, "SELECT n FROM t");
        run(database, "UPDATE t SET n = n + 1");
    }
    run(database, "PRAGMA integrity_check");
    if (strcmp(answer, "ok") != 0) return puts(answer), 1;
    run(database, "SELECT n FROM t");
    puts(answer);
    return 0;
}
