#include "app/test_config_file.h"

namespace syncflow::app {
namespace {

// --- the top ---

TEST_F(ConfigFile, NamesTheNearestKeyAtTheTop) {
  EXPECT_EQ(refusal("version: 1\nconections: {}\n"),
            "syncflow.yaml:2: unknown key \"conections\"; did you mean \"connections\"?");
  EXPECT_EQ(
      refusal("- version\n"),
      "syncflow.yaml:1: here belongs a map with version, store, engine, connections, syncs, not a list");
  EXPECT_EQ(refusal("version: 1\nsyncs: {}\n"), "syncflow.yaml:2: syncs: here belongs a list, not a map");
  EXPECT_EQ(refusal("connections: [a]\n"), "syncflow.yaml:1: connections: here belongs a map, not a list");
}

TEST_F(ConfigFile, ReadsVersionOneAlone) {
  EXPECT_EQ(refusal("version: 2\n"), "syncflow.yaml:1: version: this syncflow reads version 1, not \"2\"");
}

TEST_F(ConfigFile, RefusesStoresThatAreNotThere) {
  EXPECT_EQ(
      refusal("store: postgresql://u:secret@h/db?sslmode=prefer\n"),
      "syncflow.yaml:1: store: sslmode=prefer protects nothing for sure: write sslmode=disable, require or "
      "verify-full");
  EXPECT_EQ(refusal("store: postgresql://h/db\n"),
            "syncflow.yaml:1: store: it names no user; write postgresql://user:password@host/database");
  EXPECT_EQ(refusal("store: supabase\n"),
            "syncflow.yaml:1: store: not supported yet: store supabase; write sqlite:FILE or postgresql://…");
  EXPECT_EQ(refusal("store: redis://u:secret@h\n"),
            "syncflow.yaml:1: store: \"redis\" is no store; write sqlite:FILE or "
            "postgresql://user:password@host/database");
  EXPECT_EQ(refusal("store: \"sqlite:\"\n"), "syncflow.yaml:1: store: it names no file; write sqlite:FILE");
}

TEST_F(ConfigFile, ChecksTheEnginesSettings) {
  EXPECT_EQ(refusal("engine: {worker: 2}\n"),
            "syncflow.yaml:1: engine: unknown key \"worker\"; did you mean \"workers\"?");
  EXPECT_EQ(refusal("engine: {workers: 0}\n"),
            "syncflow.yaml:1: engine.workers: it must be a whole number from 1 to 1024, not \"0\"");
  EXPECT_EQ(refusal("engine:\n  lease: 30\n"),
            "syncflow.yaml:2: engine.lease: \"30\" is no duration; write it like 500ms, 30s, 15m, 2h or 1d");
  EXPECT_EQ(refusal("engine: {lease: 10ms}\n"), "syncflow.yaml:1: engine.lease: it must be at least 1s");
  EXPECT_EQ(refusal("engine: {lease: 2d}\n"), "syncflow.yaml:1: engine.lease: it must be at most 1d");
  EXPECT_EQ(refusal("engine: {lease: 10s}\n"),
            "syncflow.yaml:1: engine: heartbeat is 10s and lease is 10s; heartbeat must be half of lease at "
            "most, so "
            "that one may be late");
  EXPECT_EQ(refusal("engine: {keep_finished: 5s}\n"),
            "syncflow.yaml:1: engine.keep_finished: it must be at least 1m");
  EXPECT_EQ(refusal("engine: {keep_finished: 4000d}\n"),
            "syncflow.yaml:1: engine.keep_finished: it must be at most 3650d");
}

// --- connections ---

TEST_F(ConfigFile, ChecksConnectionsAgainstTheirProvider) {
  EXPECT_EQ(
      refusal("connections:\n  a:\n    provider: postgres\n"),
      "syncflow.yaml:3: connections.a.provider: unknown provider \"postgres\"; did you mean \"postgresql\"?");
  EXPECT_EQ(
      refusal("connections:\n  a:\n    provider: oracle_database\n"),
      "syncflow.yaml:3: connections.a.provider: unknown provider \"oracle_database\"; there are log, mysql, "
      "postgresql, sink, sqlite");
  for (const std::string id : {"airtable", "notion", "google_sheets", "supabase", "sqlserver", "mongodb"})
    EXPECT_EQ(refusal("connections:\n  a: {provider: " + id + ", token: x}\n"),
              "syncflow.yaml:2: connections.a.provider: not supported yet: provider " + id);
  EXPECT_EQ(refusal("connections:\n  a: {path: x}\n"),
            "syncflow.yaml:2: connections.a: \"provider\" is missing");
  EXPECT_EQ(refusal("connections:\n  a: x\n"),
            "syncflow.yaml:2: connections.a: here belongs a map with provider and its options");
  EXPECT_EQ(refusal("connections:\n  a:\n    provider: postgresql\n    hots: x\n"),
            "syncflow.yaml:4: connections.a: unknown key \"hots\"; did you mean \"host\"?");
  EXPECT_EQ(refusal("connections:\n  a:\n    provider: postgresql\n    tls: maybe\n"),
            "syncflow.yaml:4: connections.a.tls: tls is \"maybe\"; it must be disable, require or verify");
  EXPECT_EQ(refusal("connections:\n  a:\n    provider: postgresql\n    port: pg\n"),
            "syncflow.yaml:4: connections.a.port: option port: \"pg\" is not a whole number");
  EXPECT_EQ(refusal("connections:\n  a:\n    provider: postgresql\n    host: [x]\n"),
            "syncflow.yaml:4: connections.a.host: here belongs a text, not a list");
  EXPECT_EQ(refusal("connections:\n  a: {provider: sqlite}\n"),
            "syncflow.yaml:2: connections.a: option \"path\" is missing: what path is for");
}

// --- syncs ---

TEST_F(ConfigFile, ChecksTheKeysOfASync) {
  EXPECT_EQ(sync_refusal("  - nam: x\n"),
            "syncflow.yaml:6: syncs[0]: unknown key \"nam\"; did you mean \"name\"?");
  EXPECT_EQ(
      sync_refusal("  - x\n"),
      "syncflow.yaml:6: syncs[0]: here belongs a map with name, id, team_id, source, destination, status, "
      "schedule, conflict_resolution, batch, retry, tables, not \"x\"");
  EXPECT_EQ(sync_refusal("  - source: shop\n"), "syncflow.yaml:6: syncs[0]: \"name\" is missing");
  EXPECT_EQ(sync_refusal("  - name: \"\"\n"), "syncflow.yaml:6: syncs[0].name: it is empty");
  EXPECT_EQ(sync_refusal("  - name: n\n    source: shop\n"),
            "syncflow.yaml:6: syncs[0]: \"destination\" is missing");
  const std::string head = "  - name: n\n    source: shop\n    destination: local\n";
  EXPECT_EQ(sync_refusal(head), "syncflow.yaml:6: syncs[0]: \"tables\" is missing");
  EXPECT_EQ(sync_refusal(head + "    tables: []\n"),
            "syncflow.yaml:9: syncs[0].tables: it is empty; a sync needs a table");
  EXPECT_EQ(sync_refusal(head + "    tables: {}\n"),
            "syncflow.yaml:9: syncs[0].tables: here belongs a list, not a map");
  EXPECT_EQ(sync_refusal(head + "    id: 12\n"), "syncflow.yaml:9: syncs[0].id: \"12\" is not a UUID");
  EXPECT_EQ(sync_refusal(head + "    team_id: mine\n"),
            "syncflow.yaml:9: syncs[0].team_id: \"mine\" is not a UUID");
  EXPECT_EQ(sync_refusal(head + "    status: pause\n"),
            "syncflow.yaml:9: syncs[0].status: \"pause\" is none of draft, active, paused; did you mean "
            "\"paused\"?");
  EXPECT_EQ(sync_refusal(head + "    schedule: hourly\n"),
            "syncflow.yaml:9: syncs[0].schedule: the schedule \"hourly\" is not understood; write it like "
            "\"every 5 "
            "minutes\" (second, minute, hour, day, week, month or year)");
  EXPECT_EQ(sync_refusal(head + "    conflict_resolution: newest\n"),
            "syncflow.yaml:9: syncs[0].conflict_resolution: \"newest\" is none of source, destination, "
            "latest, manual");
}

TEST_F(ConfigFile, ChecksThePoliciesOfASync) {
  const std::string head = "  - name: n\n    source: shop\n    destination: local\n";
  EXPECT_EQ(sync_refusal(head + "    batch: {rows: 5}\n"),
            "syncflow.yaml:9: syncs[0].batch: unknown key \"rows\"; there are size, bytes, interval");
  EXPECT_EQ(
      sync_refusal(head + "    batch: {size: many}\n"),
      "syncflow.yaml:9: syncs[0].batch.size: it must be a whole number from 1 to 1000000, not \"many\"");
  EXPECT_EQ(
      sync_refusal(head + "    batch: {bytes: 8 MB}\n"),
      "syncflow.yaml:9: syncs[0].batch.bytes: \"8 MB\" is no size from 1KiB to 1GiB; write it like 8MiB");
  EXPECT_EQ(
      sync_refusal(head + "    batch: {bytes: 2GiB}\n"),
      "syncflow.yaml:9: syncs[0].batch.bytes: \"2GiB\" is no size from 1KiB to 1GiB; write it like 8MiB");
  EXPECT_EQ(
      sync_refusal(head + "    batch: {interval: -1}\n"),
      "syncflow.yaml:9: syncs[0].batch.interval: it must be a whole number from 0 to 86400000, not \"-1\"");
  EXPECT_EQ(
      sync_refusal(head + "    retry: {max_retries: 2.5}\n"),
      "syncflow.yaml:9: syncs[0].retry.max_retries: it must be a whole number from 0 to 1000, not \"2.5\"");
  EXPECT_EQ(sync_refusal(head + "    retry: {backoff: exponental}\n"),
            "syncflow.yaml:9: syncs[0].retry.backoff: \"exponental\" is none of exponential, linear, "
            "constant; did you "
            "mean \"exponential\"?");
}

TEST_F(ConfigFile, ChecksTheConnectionsOfASync) {
  const std::string tables = "    tables: [{source: a, destination: b}]\n";
  EXPECT_EQ(sync_refusal("  - name: n\n    source: shpo\n    destination: local\n" + tables),
            "syncflow.yaml:7: syncs[0].source: unknown connection \"shpo\"; did you mean \"shop\"?");
  EXPECT_EQ(sync_refusal("  - name: n\n    source: shop\n    destination: warehouse\n" + tables),
            "syncflow.yaml:8: syncs[0].destination: unknown connection \"warehouse\"; there are shop, local");
  EXPECT_EQ(refusal("syncs:\n  - name: n\n    source: a\n    destination: b\n" + tables),
            "syncflow.yaml:3: syncs[0].source: unknown connection \"a\"; there are none under connections");
  const std::string one_way = "connections: {in: {provider: log}, out: {provider: sink}}\nsyncs:\n";
  EXPECT_EQ(refusal(one_way + "  - name: n\n    source: out\n    destination: in\n" + tables),
            "syncflow.yaml:4: syncs[0].source: sink cannot be read from");
  EXPECT_EQ(refusal(one_way + "  - name: n\n    source: in\n    destination: in\n" + tables),
            "syncflow.yaml:5: syncs[0].destination: log cannot be written to");
}

TEST_F(ConfigFile, RefusesTwoSyncsOfOneName) {
  const auto sync = [](const std::string& name, const std::string& table, const std::string& more = "") {
    return "  - name: " + name + "\n    source: shop\n    destination: local\n" + more +
           "    tables: [{source: " + table + ", destination: " + table + "}]\n";
  };
  EXPECT_EQ(sync_refusal(sync("n", "a") + sync("n", "b")),
            "syncflow.yaml:10: syncs[1].name: the sync on line 6 is called \"n\" too; a name is given once "
            "in a team");
  const std::string team = "    team_id: 6f1c1f6e-0000-4000-8000-000000000001\n";
  EXPECT_EQ(sync_refusal(sync("n", "a") + sync("n", "b", team)), "no error");
  const std::string id = "    id: 0b8f0000-0000-4000-8000-00000000000f\n";
  EXPECT_EQ(sync_refusal(sync("n", "a", id) + sync("m", "b", id)),
            "syncflow.yaml:11: syncs[1]: its id 0b8f0000-0000-4000-8000-00000000000f is that of the sync on "
            "line 6");
}

TEST_F(ConfigFile, RefusesTwoMappingsIntoOneTable) {
  EXPECT_EQ(sync_refusal(kSync + "      - {source: a, destination: t}\n"
                                 "      - source: b\n"
                                 "        destination: t\n"),
            "syncflow.yaml:12: syncs[0].tables[1].destination: local: t is filled from shop: a already, on "
            "line 10; not "
            "supported yet: several mappings into one table");
  const std::string twins =
      "connections:\n"
      "  shop: {provider: mysql}\n"
      "  one: {provider: sqlite, path: x.db}\n"
      "  two: {provider: sqlite, path: ./x.db}\n"
      "syncs:\n"
      "  - {name: n, source: shop, destination: one, tables: [{source: a, destination: t}]}\n"
      "  - {name: m, source: shop, destination: two, tables: [{source: b, destination: t}]}\n";
  EXPECT_EQ(refusal(twins),
            "syncflow.yaml:7: syncs[1].tables[0].destination: two: t is filled from shop: a already, on line "
            "6; not "
            "supported yet: several mappings into one table");
}

TEST_F(ConfigFile, RefusesTwoMappingsIntoWhatMayBeOneTable) {
  const auto second = [this](const std::string& earlier, const std::string& later) {
    return sync_refusal(kSync + "      - {source: a, destination: " + earlier +
                        "}\n"
                        "      - {source: b, destination: " +
                        later + "}\n");
  };
  EXPECT_EQ(second("items", "Items"),
            "syncflow.yaml:11: syncs[0].tables[1].destination: local: Items may be local: items, which is "
            "filled from shop: a already, on line 10; not supported yet: several mappings into one table");
  EXPECT_NE(second("public.items", "items"), "no error");
  EXPECT_NE(second("items", "'\"public\".items'"), "no error");
  EXPECT_EQ(second("public.items", "sales.items"), "no error");
  EXPECT_EQ(second("items", "old_items"), "no error");
}

TEST_F(ConfigFile, RefusesSyncsThatFeedEachOtherUnderOtherNames) {
  const std::string twins =
      "connections:\n"
      "  one: {provider: sqlite, path: x.db}\n"
      "  two: {provider: sqlite, path: ./x.db}\n"
      "  far: {provider: sqlite, path: y.db}\n"
      "syncs:\n"
      "  - {name: n, source: one, destination: far, tables: [{source: Items, destination: copy}]}\n";
  EXPECT_EQ(
      refusal(twins + "  - {name: m, source: far, destination: two, tables: [{source: main.Copy, "
                      "destination: items}]}\n"),
      "syncflow.yaml:7: syncs[1].tables[0]: one-way syncs would go round in a circle: one: Items -> far: "
      "main.Copy -> two: items");
  // `far: copy` may be either of two tables; the way back is through the second.
  const std::string fork =
      "  - {name: m, source: one, destination: far, tables: [{source: p, destination: a.t}]}\n"
      "  - {name: k, source: one, destination: far, tables: [{source: q, destination: b.t}]}\n"
      "  - {name: l, source: far, destination: two, tables: [{source: t, destination: Q}]}\n";
  EXPECT_EQ(
      refusal(twins + fork),
      "syncflow.yaml:9: syncs[3].tables[0]: one-way syncs would go round in a circle: one: q -> far: t -> "
      "two: Q");
}

TEST_F(ConfigFile, RefusesSyncsThatFeedEachOther) {
  const auto sync = [](const std::string& from, const std::string& source, const std::string& to,
                       const std::string& destination) {
    return "  - {name: " + from + to + source + ", source: " + from + ", destination: " + to +
           ", tables: [{source: " + source + ", destination: " + destination + "}]}\n";
  };
  EXPECT_EQ(
      sync_refusal(sync("shop", "a", "shop", "a")),
      "syncflow.yaml:6: syncs[0].tables[0]: one-way syncs would go round in a circle: shop: a -> shop: a");
  EXPECT_EQ(
      sync_refusal(sync("shop", "a", "local", "b") + sync("shop", "c", "local", "c") +
                   sync("local", "b", "local", "d") + sync("local", "d", "shop", "a")),
      "syncflow.yaml:9: syncs[3].tables[0]: one-way syncs would go round in a circle: shop: a -> local: b -> "
      "local: d -> shop: a");
  EXPECT_EQ(sync_refusal(sync("shop", "a", "local", "b") + sync("local", "b", "shop", "c")), "no error");
}

// --- tables ---

TEST_F(ConfigFile, ChecksTheKeysOfATable) {
  EXPECT_EQ(table_refusal("        feilds: {id: id}\n"),
            "syncflow.yaml:12: syncs[0].tables[0]: unknown key \"feilds\"; did you mean \"fields\"?");
  EXPECT_EQ(sync_refusal(kSync + "      - {source: a}\n"),
            "syncflow.yaml:10: syncs[0].tables[0]: \"destination\" is missing");
  EXPECT_EQ(table_refusal("        key: id\n"),
            "syncflow.yaml:12: syncs[0].tables[0].key: here belongs a list, not \"id\"");
  EXPECT_EQ(
      table_refusal("        key: []\n"),
      "syncflow.yaml:12: syncs[0].tables[0].key: it is empty; leave it out for the table's primary key");
  EXPECT_EQ(table_refusal("        strategy: cursors\n"),
            "syncflow.yaml:12: syncs[0].tables[0].strategy: \"cursors\" is none of auto, cursor, feed, diff; "
            "did you "
            "mean \"cursor\"?");
  EXPECT_EQ(table_refusal("        overlap: 15min\n"),
            "syncflow.yaml:12: syncs[0].tables[0].overlap: \"15min\" is no duration; write it like 500ms, "
            "30s, 15m, 2h "
            "or 1d");
  EXPECT_EQ(table_refusal("        create: yes\n"),
            "syncflow.yaml:12: syncs[0].tables[0].create: it must be true or false, not \"yes\"");
  EXPECT_EQ(table_refusal("        existing: overwrite\n"),
            "syncflow.yaml:12: syncs[0].tables[0].existing: \"overwrite\" is none of adopt, replace, refuse");
}

TEST_F(ConfigFile, RefusesByNameWhatIsNotBuiltYet) {
  EXPECT_EQ(table_refusal("        direction: two-way\n"),
            "syncflow.yaml:12: syncs[0].tables[0].direction: not supported yet: direction two-way");
  EXPECT_EQ(
      table_refusal("        direction: destination-to-source\n"),
      "syncflow.yaml:12: syncs[0].tables[0].direction: not supported yet: direction destination-to-source");
  EXPECT_EQ(table_refusal("        strategy: feed\n"),
            "syncflow.yaml:12: syncs[0].tables[0].strategy: not supported yet: strategy feed");
  EXPECT_EQ(
      table_refusal("        shared: true\n"),
      "syncflow.yaml:12: syncs[0].tables[0].shared: not supported yet: several mappings into one table");
  EXPECT_EQ(table_refusal("        strategy: diff\n        deletes: hard\n"), "no error");
  EXPECT_EQ(table_refusal("        deletes: soft\n"), "no error");
}

TEST_F(ConfigFile, ChecksHowDeletedRowsAreLookedFor) {
  const std::string deletes = "        strategy: cursor\n        deletes: hard\n";
  EXPECT_EQ(table_refusal(deletes), "no error");
  EXPECT_EQ(table_refusal(deletes + "        reconcile: every 10 minutes\n"), "no error");
  EXPECT_EQ(table_refusal(deletes + "        brake: {share: 25%, rows: 1000}\n"), "no error");
  EXPECT_EQ(
      table_refusal("        reconcile: every 1 hour\n"),
      "syncflow.yaml:12: syncs[0].tables[0].reconcile: it says how often deleted rows are looked for, and "
      "deletes is ignore");
  EXPECT_EQ(
      table_refusal("        strategy: diff\n        deletes: hard\n        reconcile: every 1 hour\n"),
      "syncflow.yaml:14: syncs[0].tables[0].reconcile: strategy diff sees deleted rows at each look; leave "
      "it out");
  EXPECT_EQ(
      table_refusal(deletes + "        brake: {share: lots}\n"),
      "syncflow.yaml:14: syncs[0].tables[0].brake.share: \"lots\" is no share of a table; write it like 10%");
  EXPECT_NE(table_refusal(deletes + "        reconcile: hourly\n").find("is not understood"),
            std::string::npos);
}

TEST_F(ConfigFile, RefusesWhatWouldDoNothing) {
  EXPECT_EQ(table_refusal("        strategy: diff\n        cursor: updated_at\n"),
            "syncflow.yaml:13: syncs[0].tables[0].cursor: strategy diff does not read by a cursor field; "
            "leave it out");
  EXPECT_EQ(table_refusal("        soft_delete: gone_at\n"),
            "syncflow.yaml:12: syncs[0].tables[0].soft_delete: it names the field that deletes: soft sets, "
            "and deletes "
            "is ignore");
  EXPECT_EQ(table_refusal("        filters: {on_leave: keep}\n"),
            "syncflow.yaml:12: syncs[0].tables[0].filters: there is no filter under source");
}

TEST_F(ConfigFile, ChecksFields) {
  const auto field = [&](const std::string& text) {
    return table_refusal("        fields:\n          f: " + text + "\n");
  };
  const std::string place = "syncflow.yaml:13: syncs[0].tables[0].fields.f: ";
  EXPECT_EQ(table_refusal("        fields: {}\n"),
            "syncflow.yaml:12: syncs[0].tables[0].fields: it is empty; leave it out to map every field under "
            "its own "
            "name");
  EXPECT_EQ(field(""), place + "it needs the source field that it is filled by");
  EXPECT_EQ(field("[a, b]"), place + "here belongs a text, not a list");
  EXPECT_EQ(field("{form: a}"),
            "syncflow.yaml:13: syncs[0].tables[0].fields.f: unknown key \"form\"; did you mean \"from\"?");
  EXPECT_EQ(field("{transform: trim}"),
            place + "it needs from, the source field that it is filled by, or constant");
  EXPECT_EQ(field("{from: a, transform: upper}"),
            place +
                "unknown transform \"upper\"; there are combine, split, replace, uppercase, lowercase, trim, "
                "toISOString, hash, cast, default, round, coalesce");
  EXPECT_EQ(field("{from: a, transform: to_iso_string}"),
            place + "unknown transform \"to_iso_string\"; did you mean \"toISOString\"?");
  EXPECT_EQ(field("{from: a, transform: split, params: {seperator: x, index: 0}}"),
            place + "transform split has no param \"seperator\"; did you mean \"separator\"?");
  EXPECT_EQ(field("{from: a, transform: cast}"), place + "transform cast needs the param to");
  EXPECT_EQ(field("{from: a, transform: cast, params: [to]}"),
            "syncflow.yaml:13: syncs[0].tables[0].fields.f.params: here belongs a map, not a list");
  EXPECT_EQ(field("{from: [a, b]}"),
            place + "it comes from several fields; only combine and coalesce take several");
  EXPECT_EQ(field("{from: a, constant: b}"),
            place + "it has both from and constant; it can have one of them");
  EXPECT_EQ(
      table_refusal("        stamp: f\n        fields: {f: a}\n"),
      "syncflow.yaml:13: syncs[0].tables[0].fields: f is the field that stamp sets; it cannot be mapped too");
  EXPECT_EQ(table_refusal("        deletes: soft\n        fields: {deleted_at: a}\n"),
            "syncflow.yaml:13: syncs[0].tables[0].fields: deleted_at is the field that soft_delete sets; it "
            "cannot be "
            "mapped too");
  EXPECT_EQ(
      table_refusal("        key: [id]\n        fields: {name: name}\n"),
      "syncflow.yaml:13: syncs[0].tables[0].fields: id is in the key and not mapped; add it under fields");
  EXPECT_EQ(table_refusal("        key: [id]\n        fields: {nr: {from: id, transform: trim}}\n"),
            "syncflow.yaml:13: syncs[0].tables[0].fields: id is in the key and only goes into nr by way of "
            "trim; a key "
            "may be renamed or cast, so that no two rows become one");
}

TEST_F(ConfigFile, ChecksFilters) {
  const auto filter = [&](const std::string& text) {
    return table_refusal("        filters:\n          source:\n            - " + text + "\n");
  };
  const std::string place = "syncflow.yaml:14: syncs[0].tables[0].filters.source[0]";
  EXPECT_EQ(filter("{field: a, op: eq, value: 1}"),
            place + ": unknown key \"op\"; there are field, operator, value");
  EXPECT_EQ(
      filter("{field: a, operator: equals, value: 1}"),
      place +
          ".operator: \"equals\" is none of eq, neq, gt, gte, lt, lte, in, nin, like, nlike, ilike, nilike, "
          "is, is_not, is_null, is_not_null");
  EXPECT_EQ(filter("{field: a, operator: ilke, value: x}").substr(0, 90),
            (place + ".operator: \"ilke\" is none of eq, neq, gt, gte, lt, lte").substr(0, 90));
  EXPECT_EQ(filter("{operator: eq, value: 1}"), place + ": \"field\" is missing");
  EXPECT_EQ(filter("{field: a, operator: eq}"), place + ": filter a eq: it needs one value");
  EXPECT_EQ(filter("{field: a, operator: in, value: 1}"), place + ".value: in takes a list of values");
  EXPECT_EQ(filter("{field: a, operator: nin, value: []}"),
            place + ": filter a nin: it needs a list of values");
  EXPECT_EQ(filter("{field: a, operator: eq, value: [1]}"),
            place + ".value: here belongs a text, not a list");
  EXPECT_EQ(filter("{field: a, operator: is_null, value: 1}"),
            place + ": filter a is_null: it takes no value");
  EXPECT_EQ(
      filter("{field: a, operator: like, value: 'x\\'}"),
      place +
          ": filter a like: the pattern \"x\\\" ends with a backslash; write \\\\ for a backslash itself");
  EXPECT_EQ(
      table_refusal("        filters: [{field: a, operator: eq, value: 1}]\n"),
      "syncflow.yaml:12: syncs[0].tables[0].filters: here belongs a map with source, on_leave, not a list");
  EXPECT_EQ(table_refusal("        filters:\n          on_leave: drop\n"),
            "syncflow.yaml:13: syncs[0].tables[0].filters.on_leave: \"drop\" is none of delete, keep");
}

// --- the examples ---

TEST(Examples, AreReadWithoutAnError) {
  std::size_t read = 0;
  for (const fs::directory_entry& entry :
       fs::recursive_directory_iterator(fs::path(SYNCFLOW_ROOT) / "examples")) {
    if (entry.path().extension() != ".yaml") continue;
    const Config config = load_config(entry.path().string(), ".env", registry(), [](const std::string&) {
      return std::optional<std::string>("scheme://user:password@127.0.0.1/name");
    });
    EXPECT_FALSE(config.syncs.empty()) << entry.path();
    for (const SyncDefinition& sync : config.syncs) EXPECT_EQ(definition_from_json(to_json(sync)), sync);
    ++read;
  }
  EXPECT_GE(read, 5u);
}

TEST_F(ConfigFile, NeverRepeatsASecret) {
  for (const std::string& yaml :
       {std::string("connections:\n  a: {provider: postgresql, password: [hunter2]}\n"),
        std::string("store: postgresql://u:hunter2@h:port/db\n"),
        std::string("connections:\n  a: {provider: postgresql, url: {x: hunter2}}\n")}) {
    EXPECT_EQ(refusal(yaml).find("hunter2"), std::string::npos) << refusal(yaml);
    EXPECT_NE(refusal(yaml), "no error");
  }
  write("bad.env", "PASSWORD hunter2\n");
  EXPECT_EQ(refusal("version: 1\n", path("bad.env")), "bad.env:1: this is no line like NAME=value");
}

}  // namespace
}  // namespace syncflow::app
