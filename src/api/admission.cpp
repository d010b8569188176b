#include "api/admission.h"

namespace syncflow::api {

int Admission::enter(const std::string& client) {
  const auto known = clients_.find(client);
  if (known != clients_.end() && known->second >= most_of_a_client_) return 429;
  if (inside_ >= most_) return 503;
  ++clients_[client];
  ++inside_;
  return 0;
}

void Admission::leave(const std::string& client) {
  --inside_;
  const auto known = clients_.find(client);
  if (--known->second == 0) clients_.erase(known);
}

}  // namespace syncflow::api
