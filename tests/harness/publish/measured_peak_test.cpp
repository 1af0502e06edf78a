// What other rates are held to: the peaks and streams that a result measured itself.
#include "harness/publish/measured_peak.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/publish/table/table.h"
#include "tests/harness/publish/peak_records.h"

namespace assay {
namespace {

using testing::HasSubstr;

TEST(MeasuredPeaks, OnACpuPercentOfPeakIsOfTheMeasuredOne) {
  const auto rows = table_rows({sample_result({ok_record(), peak_record("fma", 8e12), peak_record("fma", 4e12),
                                               peak_record("fma", 16e12, DType::f32), peak_record("copy", 1e10)})});
  EXPECT_NEAR(*rows[0].percent_of_measured_peak, 25, 0.1);  // 2 of 8 TFLOP/s: the faster one of the same dtype
  EXPECT_EQ(rows[0].percent_of_peak, rows[0].percent_of_measured_peak);
  for (std::size_t i = 1; i < rows.size(); ++i) EXPECT_FALSE(rows[i].percent_of_measured_peak) << rows[i].id;
  // Another file is another machine.
  EXPECT_FALSE(
      table_rows({sample_result({ok_record()}), sample_result({peak_record("fma", 8e12)})})[0].percent_of_peak);
}

TEST(MeasuredPeaks, MeasuredPeakIsOfTheSameModeWhereThereIsOne) {
  Record burst = peak_record("fma", 8e12), sustained = peak_record("fma", 4e12), work = ok_record();
  sustained.point.mode = work.point.mode = Mode::sustained;
  EXPECT_NEAR(*table_rows({sample_result({work, burst, sustained})})[0].percent_of_measured_peak, 50, 0.2);
  EXPECT_NEAR(*table_rows({sample_result({work, burst})})[0].percent_of_measured_peak, 25, 0.1);
}

TEST(MeasuredPeaks, ADisturbedPeakFlattersNothing) {
  Record peak = peak_record("fma", 8e12);
  for (std::size_t i = 0; i < peak.measurement.seconds.size(); ++i)
    if (i % 4 != 0) peak.measurement.seconds[i] *= 5;  // most samples shared the core with something else
  EXPECT_NEAR(*table_rows({sample_result({ok_record(), peak})})[0].percent_of_measured_peak, 25, 0.1);
}

TEST(MeasuredPeaks, AWrongPeakAndAnotherDevicesAreNone) {
  Record wrong = peak_record("fma", 8e12), elsewhere = peak_record("tensor", 8e12);
  wrong.check = sample_check(7);
  wrong.outcome = {OutcomeKind::wrong, wrong.check->describe()};
  elsewhere.point.device = Device::gpu;
  EXPECT_FALSE(table_rows({sample_result({ok_record(), wrong, elsewhere})})[0].percent_of_measured_peak);
}

TEST(MeasuredPeaks, WorkWithoutFlopIsComparedWithTheCopyRateAndMessagesWithNothing) {
  Record memory_bound = ok_record(), collective = ok_record();
  memory_bound.work = {0, 3e6, "read and written", 0};  // 3 GB/s
  collective.work = {0, 3e6, "S", 1.5};
  const auto rows = table_rows({sample_result({memory_bound, collective, peak_record("copy", 12e9)})});
  EXPECT_NEAR(*rows[0].percent_of_measured_peak, 25, 0.1);
  EXPECT_FALSE(rows[1].percent_of_measured_peak);
}

/// 3 GB/s of a workload between a layer's products.
Record memory_record(const std::string& workload, std::vector<CaseAxis> axes, DType dtype = DType::f32) {
  Record record = ok_record(64, "cpu_vector", 1e-3);
  record.point.workload = workload;
  record.point.dtype = dtype;
  record.point.axes = std::move(axes);
  record.work = {0, 3e6, "read and written", 0};
  return record;
}

// Copy 12, triad 6, read 4 GB/s: a byte takes 1/12, 1/6 and 1/4 of what it takes at 1 GB/s.
TEST(MeasuredPeaks, AStreamHasTheRowsOwnMixOfReadsAndWrites) {
  const auto percent = [](const Record& record) {
    const auto row = table_rows(
        {sample_result({record, peak_record("copy", 12e9), peak_record("triad", 6e9), peak_record("read", 4e9)})})[0];
    EXPECT_NEAR(*row.percent_of_copy, 25, 0.2) << row.id;
    EXPECT_EQ(row.percent_of_peak, row.percent_of_stream) << row.id;
    return *row.percent_of_stream;
  };
  const CaseAxis backward{"pass", std::string("backward")}, added{"residual", std::string("added")};
  EXPECT_NEAR(percent(memory_record("rms_norm", {})), 25, 0.2);                      // a copy
  EXPECT_NEAR(percent(memory_record("rms_norm", {added})), 25, 0.2);                 // two
  EXPECT_NEAR(percent(memory_record("rms_norm", {backward})), 50, 0.2);              // a triad
  EXPECT_NEAR(percent(memory_record("layer_norm", {backward, added})), 56.25, 0.2);  // triad and read
  EXPECT_NEAR(percent(memory_record("swiglu", {})), 50, 0.2);                        // a triad
  EXPECT_NEAR(percent(memory_record("swiglu", {backward})), 40, 0.2);                // triad and copy
  EXPECT_NEAR(percent(memory_record("grad_norm", {})), 75, 0.2);                     // a read
  EXPECT_NEAR(percent(memory_record("cross_entropy", {{"gradient", std::string("none")}})), 75, 0.2);
  EXPECT_NEAR(percent(memory_record("cross_entropy", {})), 25, 0.2);
  EXPECT_NEAR(percent(memory_record("adamw", {})), 100 * 3 * (3 / 6. + 4 / 12.) / 7, 0.2);  // a triad, two copies
  EXPECT_NEAR(percent(memory_record("adamw", {}, DType::bf16)), 25, 0.2);                   // 14 bytes each way
}

TEST(MeasuredPeaks, WithoutItsStreamARowIsComparedWithTheCopyRateAndSaysSo) {
  const auto rows = table_rows({sample_result({memory_record("swiglu", {}), peak_record("copy", 12e9)})});
  EXPECT_FALSE(rows[0].percent_of_stream);
  EXPECT_NEAR(*rows[0].percent_of_peak, 25, 0.1);
  EXPECT_EQ(rows[0].stream, "copy, not in turns");
}

/// Samples of two placement classes: every second `far`, `times` as long.
void place(Record& record, double times) {
  auto& m = record.measurement;
  m.placement.assign(m.seconds.size(), Placement::near);
  for (std::size_t i = 1; i < m.seconds.size(); i += 2) m.placement[i] = Placement::far, m.seconds[i] *= times;
}

TEST(MeasuredPeaks, AStreamCountsWhereTheCoresWereForTheRow) {
  Record copy = peak_record("copy", 12e9), near = memory_record("rope", {}), far = near;
  place(copy, 0.5);  // far: 24 GB/s
  for (Record* record : {&near, &far}) record->measurement.placement.assign(20, Placement::near);
  for (int i = 0; i < 11; ++i) far.measurement.placement[std::size_t(i)] = Placement::far;
  far.point.seed = 2;
  auto rows = table_rows({sample_result({near, far, copy})});
  EXPECT_NEAR(*rows[0].percent_of_copy, 25, 0.1);
  EXPECT_NEAR(*rows[1].percent_of_copy, 12.5, 0.1);
  EXPECT_EQ(rows[0].stream, "copy, near, not in turns");
  EXPECT_EQ(rows[1].stream, "copy, far, not in turns");
  copy.measurement.placement.assign(20, Placement::far);
  rows = table_rows({sample_result({near, far, copy})});
  EXPECT_EQ(rows[0].stream, "copy, placed otherwise, not in turns");
  EXPECT_GT(*rows[0].percent_of_copy, 0);
}

TEST(MeasuredPeaks, TheStreamThatTookTurnsWithARowCounts) {
  Record apart = peak_record("copy", 24e9), beside = peak_record("copy", 12e9), row = memory_record("rope", {});
  beside.point.axes[1].value = std::int64_t(8192);
  Telemetry window;
  for (Record* record : {&apart, &beside, &row}) {
    window.window_seconds = record == &apart ? 3.25 : 4.5;
    record->telemetry = {window};
  }
  const auto rows = table_rows({sample_result({apart, row, beside})});
  EXPECT_NEAR(*rows[1].percent_of_copy, 25, 0.1);
  EXPECT_EQ(rows[1].stream, "copy, in turns");
  EXPECT_THAT(to_markdown(rows), HasSubstr("| copy, in turns |"));
  // Like against like: what disturbed most of the one disturbed most of the other.
  const auto percent = [&] { return *table_rows({sample_result({row, beside})})[0].percent_of_copy; };
  const auto disturb = [](Record& record) {
    for (std::size_t i = 4; i < 20; ++i) record.measurement.seconds[i] *= 5;
  };
  disturb(beside);
  EXPECT_NEAR(percent(), 25, 0.1) << "a disturbed stream flatters nothing";
  disturb(row);
  EXPECT_NEAR(percent(), 25, 0.1);
  beside.telemetry.clear();
  EXPECT_NEAR(percent(), 5, 0.1);
}

TEST(MeasuredPeaks, GpusHaveBothPeaksAndEightBitFormatsShareOne) {
  Record work = ok_record(), peak = peak_record("tensor", 8e12, DType::e4m3), memory = peak_record("copy", 2.4e12);
  work.point.dtype = DType::e5m2;
  for (Record* record : {&work, &peak, &memory}) record->point.device = Device::gpu;
  Result result = sample_result({work, peak, memory});
  result.provenance["gpus"] = {{{"index", 0}, {"name", "NVIDIA H200"}}};
  const auto rows = table_rows({result});
  EXPECT_NEAR(*rows[0].percent_of_measured_peak, 25, 0.1);
  EXPECT_NEAR(*rows[2].percent_of_peak, 50, 1e-6);  // of 4.8 TB/s
  const std::string markdown = to_markdown(rows);
  EXPECT_THAT(markdown, HasSubstr("% of measured peak |"));
  EXPECT_THAT(markdown, HasSubstr("in its datasheet"));
}

}  // namespace
}  // namespace assay
