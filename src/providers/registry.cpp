#include "providers/registry.h"

#include "providers/mysql/provider.h"
#include "providers/postgresql/provider.h"
#include "providers/sqlite/provider.h"

namespace syncflow {

// In alphabetical order. A list rather than objects that register themselves: a linker drops what nobody
// refers to, and a list can be read.
Registry built_in_providers() {
  return Registry({
      mysql::provider(),
      postgresql::provider(),
      sqlite::provider(),
  });
}

}  // namespace syncflow
