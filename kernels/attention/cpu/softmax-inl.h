// Softmax and its gradient, for any vector type.  No include guard and no namespace: this text is included once for
// every instruction set, inside that instruction set's namespace and target attributes, after softmax.h.
//
// `S` names the vectors: Vec, kLanes, kBf16 (of the weights), set, load, add, sub, mul, mul_sub (x y - z), max, exp2
// (of numbers <= 0, and a little more), choose(v, from, to, other) (other outside lanes from .. to - 1), max_of_lanes,
// sum_of_lanes, store_weights(x, y, row, j) (two vectors, from weight j of a row), and store_unit, which makes packed
// units of one row (fp32) or of two (bf16 pairs).

/// Scores beyond what a row sees may hold anything, NaN included: `choose` replaces, where a product would not.
template <class S>
HWY_INLINE typename S::Vec seen_or(typename S::Vec v, std::int64_t j, std::int64_t begin, std::int64_t end,
                                   typename S::Vec other) {
  return S::choose(v, begin - j, end - j, other);
}

/// The largest of scores begin .. end - 1, of which there is one at least.
template <class S>
float max_score(const float* row, std::int64_t begin, std::int64_t end) {
  constexpr std::int64_t kLanes = S::kLanes;
  const auto lowest = S::set(-std::numeric_limits<float>::infinity());
  typename S::Vec max[4] = {lowest, lowest, lowest, lowest};  // independent chains, for the latency to overlap
  std::int64_t j = begin / kLanes * kLanes;
  if (j < begin) {
    max[0] = seen_or<S>(S::load(row + j), j, begin, end, lowest);
    j += kLanes;
  }
  for (; j + 4 * kLanes <= end; j += 4 * kLanes)
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) max[i] = S::max(max[i], S::load(row + j + i * kLanes));
  for (; j + kLanes <= end; j += kLanes) max[1] = S::max(max[1], S::load(row + j));
  if (j < end) max[2] = S::max(max[2], seen_or<S>(S::load(row + j), j, begin, end, lowest));
  return S::max_of_lanes(S::max(S::max(max[0], max[1]), S::max(max[2], max[3])));
}

/// Scores to weights; returns their sum.
template <class S>
float weigh_row(float* row, std::int64_t first, std::int64_t last, std::int64_t begin, std::int64_t end, float scale,
                float max) {
  constexpr std::int64_t kLanes = S::kLanes, kStep = 2 * kLanes;
  const auto v_scale = S::set(scale), v_max = S::set(max), zero = S::set(0);
  const auto weight = [&](std::int64_t at) { return S::exp2(S::mul_sub(S::load(row + at), v_scale, v_max)); };
  typename S::Vec sum[4] = {zero, zero, zero, zero};
  std::int64_t j = first;
  const auto masked_step = [&] {
    const auto x = seen_or<S>(weight(j), j, begin, end, zero);
    const auto y = seen_or<S>(weight(j + kLanes), j + kLanes, begin, end, zero);
    S::store_weights(x, y, row, j);
    sum[0] = S::add(sum[0], x);
    sum[1] = S::add(sum[1], y);
    j += kStep;
  };
  while (j < begin && j < last) masked_step();
  for (; j + 2 * kStep <= end; j += 2 * kStep)
#pragma GCC unroll 2
    for (int i = 0; i < 4; i += 2) {
      const auto x = weight(j + i * kLanes), y = weight(j + (i + 1) * kLanes);
      S::store_weights(x, y, row, j + i * kLanes);
      sum[i] = S::add(sum[i], x);
      sum[i + 1] = S::add(sum[i + 1], y);
    }
  while (j < last) masked_step();
  return S::sum_of_lanes(S::add(S::add(sum[0], sum[1]), S::add(sum[2], sum[3])));
}

/// At most kMaxTileRows rows.  Row by row in each sweep, so that the rows' reductions overlap.
template <class S>
void weigh_tile(const SoftmaxBlock& b, std::int64_t row, std::int64_t rows) {
  alignas(64) float fall[(kMaxTileRows + 15) / 16 * 16] = {};
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int64_t begin = b.begin[row + r], end = b.end[row + r];
    if (begin >= end) continue;  // nothing seen: the maximum stays
    const float score = max_score<S>(b.scores + (row + r) * b.stride, begin, end) * b.scale;
    const float max = score < b.max[row + r] ? b.max[row + r] : score;
    fall[r] = b.max[row + r] - max;  // -infinity at the first key
    b.max[row + r] = max;
  }
  for (std::int64_t r = 0; r < rows; r += S::kLanes) S::store(S::exp2(S::load(fall + r)), fall + r);
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int64_t begin = b.begin[row + r], end = b.end[row + r];
    // Of a row that saw nothing yet, scores minus an infinite maximum mean nothing; all are masked.
    const float sum = weigh_row<S>(b.scores + (row + r) * b.stride, b.first, b.last, begin, std::max(begin, end),
                                   b.scale, b.max[row + r]);
    b.rescale[row + r] = fall[r];
    b.sum[row + r] = b.sum[row + r] * fall[r] + sum;
  }
}

template <class S>
void weigh_all(const SoftmaxBlock& b) {
  for (std::int64_t row = 0; row < b.rows; row += kMaxTileRows)
    weigh_tile<S>(b, row, std::min<std::int64_t>(kMaxTileRows, b.rows - row));
}

/// One row of fp32, or two of bf16; `present` rows exist.
template <class S, bool kMasked>
void gradient_rows(const GradientBlock& b, std::int64_t row, int present) {
  constexpr int kRows = S::kBf16 ? 2 : 1;
  constexpr std::int64_t kLanes = S::kLanes, kStep = 2 * kLanes;
  const auto scale = S::set(b.scale), zero = S::set(0);
  std::uint32_t* panel =
      b.ds_b == nullptr ? nullptr : b.ds_b + b.first / b.ds_columns * b.ds_panel + row / kRows * b.ds_columns;
  const std::int64_t columns = b.ds_b == nullptr ? b.last - b.first : b.ds_columns;
  for (std::int64_t left = b.first; left < b.last; left += columns, panel += b.ds_panel)
    for (std::int64_t q = left; q < left + columns; q += kStep) {
      typename S::Vec p[kRows][2], ds[kRows][2];
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) {
        const std::int64_t at = q + v * kLanes;
        const auto lse2 = S::load(b.lse2 + at), delta = S::load(b.delta + at);
#pragma GCC unroll 2
        for (int r = 0; r < kRows; ++r) {
          const std::int64_t from = (row + r) * b.stride + at;
          p[r][v] = S::exp2(S::mul_sub(S::load(b.scores + from), scale, lse2));
          ds[r][v] = S::mul(p[r][v], S::sub(S::load(b.products + from), delta));
          if constexpr (kMasked) {
            const std::int64_t begin = r < present ? b.begin[row + r] : 0, end = r < present ? b.end[row + r] : 0;
            p[r][v] = seen_or<S>(p[r][v], at, begin, end, zero);
            ds[r][v] = seen_or<S>(ds[r][v], at, begin, end, zero);
          }
        }
      }
#pragma GCC unroll 2
      for (int r = 0; r < kRows; ++r) {
        S::store_weights(p[r][0], p[r][1], b.scores + (row + r) * b.stride, q);
        S::store_weights(ds[r][0], ds[r][1], b.products + (row + r) * b.stride, q);
      }
      if (panel == nullptr) continue;
      for (int v = 0; v < 2; ++v) S::store_unit(ds[0][v], ds[kRows - 1][v], panel + (q - left) + v * kLanes);
    }
}

template <class S>
void gradients_all(const GradientBlock& b) {
  constexpr int kRows = S::kBf16 ? 2 : 1;
  for (std::int64_t row = 0; row < b.rows; row += kRows) {
    const int present = static_cast<int>(std::min<std::int64_t>(kRows, b.rows - row));
    if (b.all_seen && present == kRows)
      gradient_rows<S, false>(b, row, present);
    else
      gradient_rows<S, true>(b, row, present);
  }
}
