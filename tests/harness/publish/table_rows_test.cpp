// What stands in a table's rows: of whom a share is, and what may be compared.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/publish/fastest.h"
#include "harness/publish/table/table.h"
#include "harness/publish/table/vendor_summary.h"
#include "harness/suite/accelerators.h"
#include "tests/harness/publish/mixed_result.h"
#include "tests/harness/publish/peak_records.h"

namespace assay {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(TableRows, ComparesWithTheFastestVendorOnTheSamePoint) {
  const auto rows = table_rows({mixed_result()});
  ASSERT_EQ(rows.size(), 7u);
  EXPECT_NEAR(*rows[0].percent_of_vendor, 25, 1e-9);
  EXPECT_NEAR(*rows[1].percent_of_vendor, 100, 1e-9);
  EXPECT_NEAR(*rows[2].percent_of_vendor, 50, 1e-9);
  EXPECT_NEAR(*rows[0].flops_per_second, 2e9 / 4e-3, 1e6);
  EXPECT_LE(*rows[0].seconds_low, *rows[0].seconds);
  EXPECT_GE(*rows[0].seconds_high, *rows[0].seconds);
  EXPECT_EQ(rows[0].shape, "layout=tn m=64 n=128 k=256");
  EXPECT_EQ(rows[0].labels, "llama3-8b/qkv/forward");
  EXPECT_EQ(rows[0].accelerator, "A CPU");
  EXPECT_EQ(rows[0].samples, 20);
}

/// Near and far cores are different machines: a share of a library's rate on other cores says nothing of either.
TEST(TableRows, CompareOnlyWithinAPlacement) {
  Record ours = ok_record(64, "cpu_blocked", 2e-3), near = ok_record(64, "openblas", 1e-3),
         far = ok_record(64, "onednn", 4e-3);
  near.vendor = far.vendor = true;
  const auto place = [](Record& record, Placement where) {
    record.measurement.placement.assign(record.measurement.seconds.size(), where);
  };
  place(ours, Placement::far), place(near, Placement::near), place(far, Placement::far);
  const auto rows = table_rows({sample_result({ours, near, far})});
  EXPECT_NEAR(*rows[0].percent_of_vendor, 200, 1e-9) << "of the library on far cores, not of the faster one on near";
  EXPECT_NEAR(*rows[1].percent_of_vendor, 100, 1e-9);
  EXPECT_FALSE(table_rows({sample_result({ours, near})})[0].percent_of_vendor);
  for (std::size_t i = 0; i < 8; ++i) near.measurement.placement[i] = Placement::far;
  for (std::size_t i = 0; i < 8; ++i) near.measurement.seconds[i] = 1e-2;
  EXPECT_NEAR(*table_rows({sample_result({ours, near})})[0].percent_of_vendor, 500, 1)
      << "its own samples on far cores";
}

// Ours takes twice, half and four times as long as the library: 0.5, 2 and 0.25, whose geometric mean is 0.25^(1/3).
TEST(VendorSummary, AveragesRatiosAndNamesTheLeast) {
  std::vector<Record> records;
  const auto add = [&](std::int64_t m, double ours, double theirs, const char* layout) {
    Record vendor = ok_record(m, "openblas", theirs), own = ok_record(m, "cpu_blocked", ours);
    vendor.vendor = true;
    vendor.point.axes[0].value = own.point.axes[0].value = std::string(layout);
    records.push_back(own);
    records.push_back(vendor);
  };
  add(64, 2e-3, 1e-3, "tn");
  const auto summary = [&] { return vendor_summary(table_rows({sample_result(records)})); };
  EXPECT_THAT(summary(), testing::IsEmpty()) << "a single case's row says it all";
  add(65, 1e-3, 2e-3, "tn");
  add(66, 4e-3, 1e-3, "nt");
  ASSERT_EQ(summary().size(), 1u);
  EXPECT_THAT(summary()[0],
              HasSubstr(": 0.63x the fastest library in the geometric mean of 3 cases (tn 1.00x, nt 0.25x)"));
  EXPECT_THAT(summary()[0], HasSubstr("least 0.25x at layout=nt m=66"));
  EXPECT_THAT(summary()[0], Not(HasSubstr("of peak"))) << "none was measured";
  records[0].point.axes.push_back({"weights", std::string("prepacked")});
  records[1].point.axes.push_back({"weights", std::string("prepacked")});
  ASSERT_EQ(summary().size(), 1u) << "one case in each of two ways to compute, two of which remain together";
  EXPECT_THAT(summary()[0], HasSubstr("of 2 cases"));
}

TEST(TableRows, ComparesOnlyWhatIsTheSameButForTheKernel) {
  Record vendor = ok_record(64, "openblas", 1e-3);
  vendor.vendor = true;
  const auto percent = [&](auto change) {
    Record ours = ok_record(64, "cpu_blocked", 2e-3);
    change(ours.point);
    return table_rows({sample_result({ours, vendor})})[0].percent_of_vendor;
  };
  EXPECT_TRUE(percent([](Case&) {}));
  EXPECT_FALSE(percent([](Case& c) { c.axes[1].value = std::int64_t(65); }));
  EXPECT_FALSE(percent([](Case& c) { c.dtype = DType::f32; }));
  EXPECT_FALSE(percent([](Case& c) { c.cache = Cache::hot; }));
  EXPECT_FALSE(percent([](Case& c) { c.mode = Mode::sustained; }));
  EXPECT_FALSE(percent([](Case& c) { c.data = Fill::zeros; }));
  EXPECT_FALSE(percent([](Case& c) { c.device = Device::gpu; }));
  EXPECT_FALSE(percent([](Case& c) { c.axes.push_back({"scaling", std::string("tensor")}); }));
  EXPECT_TRUE(percent([](Case& c) { c.axes.push_back({"config", std::string("128x256")}); })) << "a kernel's own";
  // Another file is another machine.
  const auto rows = table_rows({sample_result({ok_record()}), sample_result({vendor})});
  EXPECT_FALSE(rows[0].percent_of_vendor);
}

TEST(TableRows, TakesNoWrongVendorAsAYardstick) {
  Record vendor = wrong_record(64, "openblas");
  vendor.vendor = true;
  EXPECT_FALSE(table_rows({sample_result({ok_record(), vendor})})[0].percent_of_vendor);
}

TEST(TableRows, TakesThePeakOfTheGpuTheProvenanceNames) {
  const Accelerator* gpu = nullptr;
  for (const auto& one : accelerators())
    if (!one.table_only && one.peak(DType::bf16) && !one.device_names.empty()) gpu = &one;
  ASSERT_TRUE(gpu);
  Record record = ok_record();
  record.point.device = Device::gpu;
  record.point.device_index = 1;
  Result result = sample_result({record, ok_record()});
  result.provenance["gpus"] = {{{"index", 0}, {"name", "some other GPU"}},
                               {{"index", 1}, {"name", gpu->device_names[0]}}};
  const auto rows = table_rows({result});
  EXPECT_EQ(rows[0].accelerator, gpu->device_names[0]);
  EXPECT_NEAR(*rows[0].percent_of_peak, 100 * 2e9 / 1e-3 / *gpu->peak(DType::bf16), 1e-6);
  EXPECT_FALSE(rows[1].percent_of_peak);  // a CPU
  result.provenance["gpus"][1]["name"] = "a GPU nobody knows";
  EXPECT_FALSE(table_rows({result})[0].percent_of_peak);
}

TEST(TableNotes, SayWhichPeakIsMeant) {
  EXPECT_TRUE(peak_notes(table_rows({mixed_result()})).empty());
  const auto rows = table_rows({sample_result({ok_record(), peak_record("fma", 8e12)})});
  ASSERT_EQ(peak_notes(rows).size(), 1u);
  for (const auto& text : {to_markdown(rows), to_console(rows, 200)}) {
    EXPECT_THAT(text, HasSubstr("% of peak on a CPU: of what its own units reached"));
    EXPECT_THAT(text, Not(HasSubstr("% of measured peak")));  // would repeat the column beside it
  }
}

TEST(Fastest, NamesTheFastestOfEachOriginBesideThePublishedFigures) {
  Record slow = ok_record(1, "mma_sm80", 2e-3), fast = ok_record(2, "mma_sm80", 1e-3),
         vendor = ok_record(3, "cublaslt", 5e-4);
  vendor.vendor = true;
  for (Record* record : {&slow, &fast, &vendor}) {
    record->point.device = Device::gpu;
    record->work.flops = 4e11;
  }
  Result result = sample_result({slow, fast, vendor});
  result.provenance["gpus"] = {{{"index", 0}, {"name", "NVIDIA H100 80GB HBM3"}}};
  const std::string text = to_fastest(table_rows({result}), "gemm", published_matmul_rates());
  EXPECT_THAT(text, HasSubstr("| ours | mma_sm80 | layout=tn m=2 "));
  EXPECT_THAT(text, HasSubstr("| library | cublaslt | layout=tn m=3 "));
  EXPECT_THAT(text, Not(HasSubstr("m=1 ")));
  EXPECT_THAT(text, HasSubstr("| 50.3 % |"));  // 400 of the published 794.5 TFLOP/s
  EXPECT_THAT(text, HasSubstr("bf16: 794 TFLOP/s at m=2048 n=2048 k=13312"));
  EXPECT_EQ(to_fastest(table_rows({result}), "attention", published_matmul_rates()), "");
}

TEST(TableRows, HaveBusBandwidthWhereRanksTalk) {
  Record record = ok_record();
  record.work = {0, 8e6, "S", 1.5};
  const auto row = table_rows({sample_result({record})})[0];
  EXPECT_FALSE(row.flops_per_second);
  EXPECT_NEAR(*row.bytes_per_second, 8e9, 1e7);
  EXPECT_NEAR(*row.bus_bytes_per_second, 12e9, 2e7);
}

}  // namespace
}  // namespace assay
