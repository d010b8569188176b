#include "engine/validation.h"

#include <fmt/core.h>

#include "core/error.h"
#include "core/secrets.h"
#include "engine/mapper.h"
#include "engine/table_plan.h"

namespace syncflow {
namespace {

/// What the destination is asked to be ready for. Rows that leave a filter are deleted there too, whatever `deletes`
/// says, and that takes the same right.
DestinationSpec spec_to_check(const TableMapping& mapping, const Schema& incoming) {
  DestinationSpec spec = destination_spec(mapping, incoming);
  if (!mapping.filters.empty() && mapping.on_leave == OnLeave::remove && spec.deletes == Deletes::ignore)
    spec.deletes = Deletes::hard;
  return spec;
}

class Validation {
 public:
  Validation(const EngineParts& parts, std::stop_token stop) : parts_(parts), stop_(std::move(stop)) {}

  std::vector<Finding> run() {
    for (const ConnectionConfig& connection : parts_.config.connections)
      attempt({}, {}, [&] { check_connection(connection); });
    for (const SyncDefinition& sync : parts_.config.syncs) {
      attempt(sync.name, {}, [&] {
        const auto source = parts_.connect(sync.source, stop_);
        const auto destination = parts_.connect(sync.destination, stop_);
        for (const TableMapping& mapping : sync.tables)
          attempt(sync.name, mapping.name(), [&] { check_mapping(sync, mapping, *source, *destination); });
      });
    }
    return std::move(findings_);
  }

 private:
  template <typename Work>
  void attempt(const std::string& sync, const std::string& table, Work work) {
    if (stop_.stop_requested()) throw Error(ErrorKind::cancelled, "asked to stop");
    try {
      work();
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cancelled) throw;
      add(Finding::Severity::error, sync, table, without_secrets(error.what()));
    }
  }

  void add(Finding::Severity severity, const std::string& sync, const std::string& table,
           const std::string& text, const std::string& ddl = "") {
    findings_.push_back({severity, sync, table, text, ddl});
  }

  void check_connection(const ConnectionConfig& connection) {
    try {
      const Access access = parts_.connect(connection.name, stop_)->check();
      add(Finding::Severity::note, "", "",
          fmt::format("connection {}: {}{}", connection.name, access.system,
                      access.user.empty() ? "" : " as " + access.user));
      for (const std::string& warning : access.warnings)
        add(Finding::Severity::warning, "", "", fmt::format("connection {}: {}", connection.name, warning));
    } catch (const Error& error) {
      throw error.while_doing("connection " + connection.name);
    }
  }

  void check_mapping(const SyncDefinition& sync, const TableMapping& mapping, Connection& source_connection,
                     Connection& destination_connection) {
    TablePlan plan =
        plan_table(parts_.config, sync, mapping, parts_.provider_of(sync.source).can, source_connection);
    for (const std::string& warning : plan.warnings)
      add(Finding::Severity::warning, sync.name, mapping.name(), warning);
    plan.source.fields = Mapper::needed_fields(mapping);
    const auto source = source_connection.open_source(plan.source);
    add(Finding::Severity::note, sync.name, mapping.name(), source->method());
    MappingState state = parts_.store.find_mapping(sync.id, mapping.name()).value_or(MappingState{});
    const std::string size = apply_size_rule(plan, *source, state, parts_.clock.now());
    if (!size.empty()) add(Finding::Severity::warning, sync.name, mapping.name(), size);

    // Where neither a look at the whole table nor the opening read anything, a right may still be missing.
    source->count(1);

    const Mapper mapper(mapping, source->schema());
    const Prepared prepared =
        destination_connection.open_destination(spec_to_check(mapping, *mapper.outgoing()))->prepare(true);
    for (const std::string& warning : prepared.warnings)
      add(Finding::Severity::warning, sync.name, mapping.name(), warning);
    if (!prepared.ddl.empty())
      add(Finding::Severity::note, sync.name, mapping.name(), "the destination table will be created",
          prepared.ddl);
  }

  const EngineParts& parts_;
  const std::stop_token stop_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> validate(const EngineParts& parts, std::stop_token stop) {
  return Validation(parts, std::move(stop)).run();
}

}  // namespace syncflow
