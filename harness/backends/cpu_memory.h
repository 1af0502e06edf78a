// Host memory for measurements: on huge pages, and refused before the machine runs out.
#pragma once
#include <cstddef>

namespace assay {

/// What can be allocated without swapping or being killed: the machine's and the control group's, less a reserve.
std::size_t available_memory();

/// 256-byte aligned.  From 2 MiB on: mapped on a 2 MiB boundary, huge pages asked for, not yet touched.
/// Null where the system refuses.
void* allocate_memory(std::size_t bytes);
void free_memory(void* data, std::size_t bytes) noexcept;

}  // namespace assay
