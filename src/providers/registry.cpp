#include "providers/registry.h"

#include "providers/mysql/provider.h"
#include "providers/postgresql/provider.h"
#include "providers/sqlite/provider.h"

namespace syncflow {

Registry built_in_providers() {
  return Registry({
      mysql::provider(),
      postgresql::provider(),
      sqlite::provider(),
  });
}

}  // namespace syncflow
