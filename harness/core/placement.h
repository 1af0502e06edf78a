// How far apart the CPU cores were while something ran.
#pragma once
#include <cstdint>
#include <string_view>

namespace assay {

/// How far apart the hypervisor put our CPU cores while a sample ran (a cache-line ping-pong before and after it).
/// `none`: not probed (GPU, or one thread).  `moved`: before and after differ.
enum class Placement : std::uint8_t { none, near, far, moved };
const char* name(Placement);
bool parse(std::string_view, Placement&);

}  // namespace assay
