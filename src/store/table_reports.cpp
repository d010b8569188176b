#include "store/table_reports.h"

#include <boost/json.hpp>

namespace syncflow {

std::string to_json(const std::vector<TableReport>& tables) {
  boost::json::array array;
  for (const TableReport& table : tables) {
    boost::json::object object{
        {"source", table.source}, {"destination", table.destination}, {"strategy", table.strategy}};
    for (const NamedFigure& figure : kFigures) object[figure.name] = table.figures.*figure.count;
    object["bytes"] = table.figures.bytes;
    array.push_back(std::move(object));
  }
  return boost::json::serialize(array);
}

std::vector<TableReport> tables_from_json(std::string_view json) {
  std::vector<TableReport> tables;
  const boost::json::value parsed = boost::json::parse(json);
  for (const boost::json::value& item : parsed.as_array()) {
    const auto text = [&](const char* name) { return std::string(item.at(name).as_string()); };
    TableReport table{text("source"), text("destination"), text("strategy"), {}};
    for (const NamedFigure& figure : kFigures) table.figures.*figure.count = item.at(figure.name).as_int64();
    table.figures.bytes = item.at("bytes").as_int64();
    tables.push_back(std::move(table));
  }
  return tables;
}

}  // namespace syncflow
