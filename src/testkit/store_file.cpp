#include "testkit/store_file.h"

#include <chrono>

#include "drivers/sqlite/database.h"

namespace syncflow::testkit {

void execute_in_store(const std::string& file, const std::string& sql) {
  sqlite::Database(file, sqlite::OpenMode::read_write, std::chrono::seconds(10)).execute(sql);
}

}  // namespace syncflow::testkit
