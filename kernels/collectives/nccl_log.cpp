#include "kernels/collectives/nccl_log.h"

#include <cstdlib>
#include <regex>

namespace assay {
namespace {

// NCCL's numbers, which have kept their meaning since 2.17; PAT is 2.23's.
constexpr const char* kAlgorithms[] = {"TREE", "RING", "COLLNET_DIRECT", "COLLNET_CHAIN", "NVLS", "NVLS_TREE", "PAT"};
constexpr const char* kProtocols[] = {"LL", "LL128", "SIMPLE"};

/// A number's name, and a name as it is.
template <std::size_t size>
std::string named(const std::string& word, const char* const (&names)[size]) {
  if (word.find_first_not_of("0123456789") != std::string::npos) return word;
  const unsigned long number = std::strtoul(word.c_str(), nullptr, 10);
  return number < size ? names[number] : word;
}

}  // namespace

std::optional<NcclChoice> find_nccl_choice(std::string_view log, std::string_view function) {
  static const std::regex line(
      R"((?:(\w+)(?: \[Symmetric\])?: )?\b\d+ Bytes -> (?:Algo (\w+) proto (\w+)|Kernel (\w+))([^\n]*))");
  static const std::regex range(R"(channel\{Lo\.\.Hi\}=\{(\d+)\.\.(\d+)\})"), count(R"(nchannels (\d+))");
  std::optional<NcclChoice> last;
  const std::string text(log);
  for (std::sregex_iterator at(text.begin(), text.end(), line), end; at != end; ++at) {
    if ((*at)[1].matched && (*at)[1].str() != function) continue;
    const bool symmetric = (*at)[4].matched;
    NcclChoice choice;
    choice.algorithm = symmetric ? (*at)[4].str() : named((*at)[2].str(), kAlgorithms);
    if (!symmetric) choice.protocol = named((*at)[3].str(), kProtocols);
    const std::string rest = (*at)[5];
    std::smatch found;
    if (std::regex_search(rest, found, range))
      choice.channels = std::atoi(found[2].str().c_str()) - std::atoi(found[1].str().c_str()) + 1;
    else if (std::regex_search(rest, found, count))
      choice.channels = std::atoi(found[1].str().c_str());
    last = choice;
  }
  return last;
}

}  // namespace assay
