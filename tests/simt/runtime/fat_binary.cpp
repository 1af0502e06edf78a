#include "tests/simt/runtime/fat_binary.h"

#include <archive.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>

namespace simt::runtime {
namespace {

// As nvcc 13.0 writes them; there is no header for it in the toolkit but fatbinary_section.h.
constexpr std::uint32_t kWrapperMagic = 0x466243b1, kMagic = 0xba55ed50;
constexpr std::uint16_t kPtx = 1;
constexpr std::uint64_t kLz4 = 0x2000, kZstd = 0x8000;

struct Wrapper {
  std::uint32_t magic, version;
  const unsigned char* data;
  const void* file;
};

struct Header {
  std::uint32_t magic;
  std::uint16_t version, header_bytes;
  std::uint64_t bytes;  // of all entries
};

struct Entry {
  std::uint16_t kind, version;
  std::uint32_t header_bytes;
  std::uint64_t bytes;             // after the header, padded
  std::uint32_t compressed_bytes;  // 0: stored as it is
  std::uint32_t unknown;
  std::uint16_t minor, major;
  std::uint32_t architecture;
  std::uint32_t name_at, name_bytes;
  std::uint64_t flags, zero;
  std::uint64_t plain_bytes;  // of a compressed entry
};
static_assert(sizeof(Header) == 16 && sizeof(Entry) == 64);

std::string decompress_zstd(const unsigned char* from, std::size_t bytes, std::size_t plain_bytes) {
  const std::unique_ptr<archive, int (*)(archive*)> reader(archive_read_new(), archive_read_free);
  archive_entry* entry = nullptr;
  std::string out(plain_bytes, '\0');
  if (archive_read_support_filter_zstd(reader.get()) != ARCHIVE_OK ||
      archive_read_support_format_raw(reader.get()) != ARCHIVE_OK ||
      archive_read_open_memory(reader.get(), from, bytes) != ARCHIVE_OK ||
      archive_read_next_header(reader.get(), &entry) != ARCHIVE_OK ||
      archive_read_data(reader.get(), out.data(), out.size()) != la_ssize_t(out.size()))
    throw std::runtime_error("PTX in a fat binary does not decompress");
  return out;
}

std::string text_of(const Entry& entry, const unsigned char* payload) {
  std::string text;
  if (entry.flags & kZstd)
    text = decompress_zstd(payload, entry.compressed_bytes, entry.plain_bytes);
  else if (entry.flags & kLz4)
    throw std::runtime_error("PTX in a fat binary is compressed with LZ4: compile with -Xfatbin=-compress=false");
  else
    text.assign(reinterpret_cast<const char*>(payload), entry.bytes);
  return text.substr(0, text.find('\0'));
}

/// By ".target sm_90a, ...": the container's header has the number alone.
PtxImage image_of(unsigned architecture, std::string text) {
  const std::size_t at = text.find("\n.target sm_");
  if (at == text.npos) throw std::runtime_error("PTX in a fat binary names no target");
  const std::string target = text.substr(at + 9, text.find_first_of(",\r\n", at + 9) - at - 9);
  return {architecture, target == "sm_" + std::to_string(architecture) + "a", std::move(text)};
}

}  // namespace

std::vector<PtxImage> ptx_images(const void* registered) {
  Wrapper wrapper;
  std::memcpy(&wrapper, registered, sizeof wrapper);
  if (wrapper.magic != kWrapperMagic) throw std::runtime_error("a registered fat binary has an unknown form");
  Header header;
  std::memcpy(&header, wrapper.data, sizeof header);
  if (header.magic != kMagic) throw std::runtime_error("a fat binary has an unknown header");
  std::vector<PtxImage> out;
  const unsigned char* at = wrapper.data + header.header_bytes;
  for (const unsigned char* const end = at + header.bytes; at < end;) {
    Entry entry;
    std::memcpy(&entry, at, sizeof entry);
    if (entry.kind == kPtx) out.push_back(image_of(entry.architecture, text_of(entry, at + entry.header_bytes)));
    at += entry.header_bytes + entry.bytes;
  }
  return out;
}

}  // namespace simt::runtime
