#include "harness/verify/sampling.h"

#include <algorithm>
#include <cmath>

#include "harness/verify/random.h"

namespace assay {
namespace {

constexpr std::int64_t kTiles[] = {64, 128, 256};  // edges of the tiles kernels use
constexpr double kLeastWork = 64;  // an element costs at least about this many multiply-adds to fetch and compare

/// First and last index, and both sides of the edges of the first and of the last tile of each size.
std::vector<std::int64_t> edges(std::int64_t size) {
  std::vector<std::int64_t> out = {0, size - 1};
  for (const std::int64_t tile : kTiles) {
    const std::int64_t last = (size - 1) / tile * tile;
    for (const std::int64_t at : {tile - 1, tile, last - 1, last})
      if (at >= 0 && at < size) out.push_back(at);
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

/// One dimension cut into equal parts.
struct Cut {
  std::int64_t size, parts;
  std::int64_t begin(std::int64_t part) const {  // size * part / parts without overflow
    return size / parts * part + size % parts * part / parts;
  }
  std::int64_t random(std::int64_t part, std::uint64_t bits) const {
    const std::int64_t first = begin(part), length = begin(part + 1) - first;
    return first + std::int64_t(bits % std::uint64_t(length));
  }
  /// An index on either side of a tile edge near a random index of the part (the tile may reach out of the part).
  std::int64_t random_edge(std::int64_t part, std::uint64_t bits) const {
    const std::int64_t at = random(part, bits), tile = kTiles[mix64(bits) % 3], first = at / tile * tile;
    return mix64(bits + 1) % 2 ? first : std::min(first + tile, size) - 1;
  }
};

/// Parts along both sides: regions of at least 64 x 64, about square, not more than `most`.
void choose_parts(Cut& rows, Cut& columns, double most) {
  std::int64_t side = kTiles[0];
  const auto parts = [&](std::int64_t size) { return (size - 1) / side + 1; };
  while (double(parts(rows.size)) * double(parts(columns.size)) > most && side < std::max(rows.size, columns.size))
    side *= 2;
  rows.parts = parts(rows.size);
  columns.parts = parts(columns.size);
}

template <class T>
void sort_unique(std::vector<T>& list) {
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

}  // namespace

std::vector<Element> sampled_elements(std::int64_t rows, std::int64_t columns, double work, std::uint64_t seed,
                                      double budget) {
  std::vector<Element> out;
  const double count = budget / std::max(work, kLeastWork);
  if (double(rows) * double(columns) <= count) {
    out.reserve(std::size_t(rows * columns));
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < columns; ++j) out.push_back({i, j});
    return out;
  }
  for (const std::int64_t i : edges(rows))
    for (const std::int64_t j : edges(columns)) out.push_back({i, j});
  Cut across{rows, 1}, along{columns, 1};
  choose_parts(across, along, count / 4);  // a corner and at least three more elements of each region
  const RandomStream random(seed, 0);
  std::uint64_t next = 0;
  for (int round = 0; double(out.size()) < count; ++round)  // a region of 64 x 64 holds far more than the rounds take
    for (std::int64_t i = 0; i < across.parts && double(out.size()) < count; ++i)
      for (std::int64_t j = 0; j < along.parts && double(out.size()) < count; ++j, next += 2) {
        const std::uint64_t row_bits = random.bits(next), column_bits = random.bits(next + 1);
        if (round == 0)
          out.push_back({across.random_edge(i, row_bits), along.random_edge(j, column_bits)});
        else
          out.push_back({across.random(i, row_bits), along.random(j, column_bits)});
      }
  sort_unique(out);
  return out;
}

std::vector<std::int64_t> sampled_rows(std::int64_t rows, double work, std::uint64_t seed, double budget) {
  std::vector<std::int64_t> out;
  const double count = budget / std::max(work, kLeastWork);
  if (double(rows) <= count) {
    for (std::int64_t i = 0; i < rows; ++i) out.push_back(i);
    return out;
  }
  out = edges(rows);
  const std::int64_t parts =
      std::max<std::int64_t>(1, std::min<std::int64_t>((rows - 1) / kTiles[0] + 1, std::int64_t(count / 4)));
  const Cut cut{rows, parts};
  const RandomStream random(seed, 1);
  std::uint64_t next = 0;
  for (int round = 0; double(out.size()) < count; ++round)
    for (std::int64_t part = 0; part < parts && double(out.size()) < count; ++part, ++next)
      out.push_back(round == 0 ? cut.random_edge(part, random.bits(next)) : cut.random(part, random.bits(next)));
  sort_unique(out);
  return out;
}

}  // namespace assay
