#include "harness/publish/collective_ceiling.h"

#include <fmt/format.h>

#include <algorithm>

namespace assay {
namespace {

constexpr double kGiga = 1e9;

Ceiling none(std::string why) { return {0, {}, std::move(why)}; }

Ceiling least(Ceiling a, Ceiling b) { return a.bus_bytes_per_second <= b.bus_bytes_per_second ? a : b; }
Ceiling most(Ceiling a, Ceiling b) { return a.bus_bytes_per_second >= b.bus_bytes_per_second ? a : b; }

/// What all ceilings of one place are made of.
struct Rates {
  Interconnect links;
  double n, g, nodes;
  double nics, nic;

  double link() const { return links.bytes_per_second(); }
  std::string link_text() const {
    return fmt::format("{} links x {:g} GB/s", links.links, links.link_bytes_per_second / kGiga);
  }
  std::string nic_text() const { return fmt::format("{:g} NICs x {:g} GB/s", nics, nic / kGiga); }

  Ceiling ring_of_node() const { return {link(), link_text(), {}}; }
  Ceiling nvls_of_node() const {
    return {link() * links.nvls_efficiency * 2 * (n - 1) / (n + 1),
            fmt::format("{} x {:g} x 2(n-1)/(n+1), in the switch", link_text(), links.nvls_efficiency),
            {}};
  }
  bool has_nvls(std::string_view operation) const { return links.nvls_efficiency > 0 && operation == "all_reduce"; }

  Ceiling ring_of_nodes() const { return least(ring_of_node(), {nics * nic, nic_text(), {}}); }
  Ceiling hierarchical(bool nvls) const {
    Ceiling inside;
    if (g > 1) inside = {link() * (n - 1) / n * g / (g - 1), link_text() + " x (n-1)/n g/(g-1)", {}};
    if (nvls && g > 1)
      inside =
          most(inside, {link() * links.nvls_efficiency * 2 * (n - 1) / n * g / (g + 1),
                        fmt::format("{} x {:g} x 2(n-1)/n g/(g+1), in the switch", link_text(), links.nvls_efficiency),
                        {}});
    const Ceiling network{nics * nic * (n - 1) / n * nodes / (nodes - 1), nic_text() + " x (n-1)/n M/(M-1)", {}};
    return g > 1 ? least(inside, network) : network;
  }
};

Ceiling of_node(const Rates& rates, std::string_view operation, CollectiveRoute route) {
  const bool nvls = rates.has_nvls(operation);
  if (route == CollectiveRoute::nvls)
    return nvls ? rates.nvls_of_node() : rates.ring_of_node();  // nothing is summed: links carry what a ring's do
  if (route == CollectiveRoute::ring || !nvls) return rates.ring_of_node();
  return most(rates.ring_of_node(), rates.nvls_of_node());
}

Ceiling of_nodes(const Rates& rates, std::string_view operation, CollectiveRoute route) {
  if (operation == "all_to_all")
    return least(rates.ring_of_node(), {rates.nics * rates.nic / rates.g * (rates.n - 1) / (rates.n - rates.g),
                                        rates.nic_text() + " / g x (n-1)/(n-g)",
                                        {}});
  if (operation == "send_recv")
    return least(rates.ring_of_node(), {rates.nic, fmt::format("one NIC of {:g} GB/s", rates.nic / kGiga), {}});
  if (operation != "all_reduce" || route == CollectiveRoute::ring) return rates.ring_of_nodes();
  return most(rates.ring_of_nodes(), rates.hierarchical(rates.has_nvls(operation)));
}

/// Inputs read and outputs written by all ranks together, in messages (S).
double messages_moved(std::string_view operation, double n, bool in_place) {
  const double untouched = in_place ? 1 : 0;  // a rank's own part of the output, or the root's message: there already
  if (operation == "all_gather" || operation == "broadcast") return 1 + n - untouched;
  if (operation == "reduce_scatter") return n + 1;
  return 2 * n;
}

}  // namespace

CollectiveRoute route_of(std::string_view algorithm) {
  if (algorithm.find("NVLS") != std::string_view::npos) return CollectiveRoute::nvls;
  return algorithm == "RING" || algorithm == "TREE" ? CollectiveRoute::ring : CollectiveRoute::any;
}

Ceiling collective_ceiling(const CollectivePlace& place, std::string_view operation, CollectiveRoute route) {
  if (place.ranks() < 2) return none("one rank sends nothing");
  if (!place.accelerator) return none("the accelerator is not in configs/accelerators");
  if (!place.accelerator->interconnect)
    return none(fmt::format("no links are known of {}", place.accelerator->full_name));
  if (place.gpus > kMostGpusOfADomain)
    return none(fmt::format("no validated ceiling beyond {} GPUs of one NVLink domain", kMostGpusOfADomain));
  const Rates rates{*place.accelerator->interconnect,
                    double(place.ranks()),
                    double(place.gpus),
                    double(place.nodes),
                    double(place.nics),
                    place.nic_bytes_per_second};
  if (place.nodes == 1) return of_node(rates, operation, route);
  if (place.nics < 1 || !(place.nic_bytes_per_second > 0)) return none("the nodes' NICs are not known");
  return of_nodes(rates, operation, route);
}

Ceiling memory_ceiling(std::string_view operation, int ranks, bool in_place, double bus_factor,
                       double copy_bytes_per_second) {
  if (ranks < 2 || !(bus_factor > 0)) return none("one rank sends nothing");
  if (!(copy_bytes_per_second > 0)) return none("no copy rate was measured in the same result (suite peak)");
  const double moved = messages_moved(operation, ranks, in_place);
  return {copy_bytes_per_second * bus_factor / moved,
          fmt::format("{:.4g} GB/s of measured copy rate, {:g} messages read and written",
                      copy_bytes_per_second / kGiga, moved),
          {}};
}

}  // namespace assay
