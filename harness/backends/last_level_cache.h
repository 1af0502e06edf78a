// The last-level caches of given cores: how much data a case must go through to find it in memory.
#pragma once
#include <cstddef>
#include <vector>

namespace assay {

/// Bytes of all last-level caches that serve any of the cores together: what a cold rotation must exceed.
std::size_t last_level_cache_bytes_of(const std::vector<int>& cores);

/// The same, read from the kernel's description under `cpus` ("/sys/devices/system/cpu"); 0 where there is none.
std::size_t last_level_cache_from_sysfs(const std::vector<int>& cores, const char* cpus);

}  // namespace assay
