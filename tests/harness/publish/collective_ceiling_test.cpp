#include "harness/publish/collective_ceiling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "harness/publish/table/table.h"
#include "harness/suite/references.h"
#include "tests/harness/record/sample_records.h"

namespace assay {
namespace {

using testing::Contains;
using testing::HasSubstr;

double ceiling(const char* accelerator, int gpus, CollectiveRoute route = CollectiveRoute::any,
               const char* operation = "all_reduce") {
  return collective_ceiling({&accelerator_named(accelerator), gpus, 1, 0, 0}, operation, route).bus_bytes_per_second /
         1e9;
}

double ceiling_of_nodes(int nodes, CollectiveRoute route, const char* operation = "all_reduce") {
  return collective_ceiling({&accelerator_named("h100"), 8, nodes, 8, 48e9}, operation, route).bus_bytes_per_second /
         1e9;
}

// Published measurements of the same nodes lie at most 3.5 % below and 2 % above these.
TEST(CollectiveCeiling, ReductionsInTheSwitch) {
  const auto nvls = [](const char* accelerator, int gpus) { return ceiling(accelerator, gpus, CollectiveRoute::nvls); };
  EXPECT_NEAR(nvls("h200", 5), 420, 0.5);
  EXPECT_NEAR(nvls("h200", 6), 450, 0.5);
  EXPECT_NEAR(nvls("h200", 7), 473, 0.5);
  EXPECT_NEAR(nvls("h200", 8), 490, 0.5);
  EXPECT_NEAR(nvls("b200", 6), 763, 0.5);
  EXPECT_NEAR(nvls("b200", 7), 801, 0.5);
  EXPECT_NEAR(nvls("b200", 8), 831, 0.5);
}

TEST(CollectiveCeiling, RingsAndTheSizeFromWhichTheSwitchWins) {
  EXPECT_NEAR(ceiling("a100", 8), 240, 1e-6) << "no switch of its time reduces";
  EXPECT_NEAR(ceiling("h200", 8, CollectiveRoute::ring), 370.8, 1e-6);
  EXPECT_NEAR(ceiling("b200", 8, CollectiveRoute::ring), 721.8, 1e-6);
  EXPECT_NEAR(ceiling("b200", 5), 721.8, 1e-6) << "rings, still";
  EXPECT_NEAR(ceiling("b200", 6), 763, 0.5);
  EXPECT_NEAR(ceiling("h200", 3), 370.8, 1e-6);
  EXPECT_NEAR(ceiling("h200", 4), 378, 0.5);
  for (const char* operation : {"all_gather", "reduce_scatter", "broadcast", "all_to_all", "send_recv"})
    EXPECT_NEAR(ceiling("h200", 8, CollectiveRoute::any, operation), 370.8, 1e-6) << operation;
}

TEST(CollectiveCeiling, SeveralNodes) {
  EXPECT_NEAR(ceiling_of_nodes(8, CollectiveRoute::ring), 370.8, 1e-6) << "links are slower than 8 x 48 here";
  const CollectivePlace blackwell{&accelerator_named("b200"), 8, 4, 8, 48e9};
  EXPECT_NEAR(collective_ceiling(blackwell, "all_reduce", CollectiveRoute::ring).bus_bytes_per_second, 384e9, 1);
  // Of two nodes half as much crosses the network: 470 GB/s were measured over 384 GB/s of NICs.
  EXPECT_NEAR(ceiling_of_nodes(2, CollectiveRoute::any), 525.3, 0.5);
  EXPECT_LT(ceiling_of_nodes(8, CollectiveRoute::any), 433);
  EXPECT_NEAR(ceiling_of_nodes(2, CollectiveRoute::any, "send_recv"), 48, 1e-6);
  EXPECT_NEAR(ceiling_of_nodes(2, CollectiveRoute::any, "all_to_all"), 48 * 15 / 8.0, 1e-6);
}

TEST(CollectiveCeiling, WhatIsNotKnownHasNoneAndSaysSo) {
  const auto why = [](const CollectivePlace& place) {
    const Ceiling got = collective_ceiling(place, "all_reduce", CollectiveRoute::any);
    EXPECT_FALSE(got.known());
    return got.why;
  };
  const Accelerator& h100 = accelerator_named("h100");
  EXPECT_THAT(why({nullptr, 8, 1, 0, 0}), HasSubstr("not in configs/accelerators"));
  EXPECT_THAT(why({&accelerator_named("l40s"), 8, 1, 0, 0}), HasSubstr("no links are known"));
  EXPECT_THAT(why({&h100, 8, 2, 0, 0}), HasSubstr("NICs are not known"));
  EXPECT_THAT(why({&h100, 1, 1, 0, 0}), HasSubstr("one rank"));
  EXPECT_THAT(why({&accelerator_named("gb200"), 72, 1, 0, 0}), HasSubstr("no validated ceiling"));
}

TEST(CollectiveCeiling, Routes) {
  EXPECT_EQ(route_of("NVLS"), CollectiveRoute::nvls);
  EXPECT_EQ(route_of("NVLS_TREE"), CollectiveRoute::nvls);
  EXPECT_EQ(route_of("RING"), CollectiveRoute::ring);
  EXPECT_EQ(route_of("TREE"), CollectiveRoute::ring);
  EXPECT_EQ(route_of(""), CollectiveRoute::any);
  EXPECT_EQ(route_of("COLLNET_DIRECT"), CollectiveRoute::any);
}

TEST(CollectiveCeiling, OfMemory) {
  const auto busbw = [](const char* operation, int ranks, bool in_place, double factor) {
    return memory_ceiling(operation, ranks, in_place, factor, 24e9).bus_bytes_per_second / 1e9;
  };
  EXPECT_NEAR(busbw("all_reduce", 2, false, 1), 6, 1e-9) << "two inputs read, two outputs written";
  EXPECT_NEAR(busbw("all_reduce", 4, true, 1.5), 4.5, 1e-9);
  EXPECT_NEAR(busbw("all_gather", 2, false, 0.5), 4, 1e-9);
  EXPECT_NEAR(busbw("all_gather", 2, true, 0.5), 6, 1e-9) << "one's own part is there already";
  EXPECT_NEAR(busbw("reduce_scatter", 2, false, 0.5), 4, 1e-9);
  EXPECT_NEAR(busbw("broadcast", 2, false, 1), 8, 1e-9);
  EXPECT_NEAR(busbw("send_recv", 2, false, 1), 6, 1e-9);
  EXPECT_THAT(memory_ceiling("all_reduce", 2, false, 1, 0).why, HasSubstr("no copy rate"));
}

// A reference above what physics allows is a slip of the pen, or the model's.
TEST(References, NoneIsAboveItsCeiling) {
  int compared = 0;
  for (const auto& series : collective_references()) {
    if (!series.no_ceiling.empty()) continue;
    const CollectivePlace place{&accelerator_named(series.accelerator), series.gpus / series.nodes, series.nodes, 8,
                                48e9};
    const auto route = series.nvls == Nvls::off ? CollectiveRoute::ring : CollectiveRoute::any;
    const Ceiling got = collective_ceiling(place, series.operation, route);
    ASSERT_TRUE(got.known()) << series.system << ": " << got.why;
    for (const auto& point : series.points) {
      EXPECT_LE(point.bus_bytes_per_second, 1.05 * got.bus_bytes_per_second) << series.system << " " << point.bytes;
      ++compared;
    }
  }
  EXPECT_GE(compared, 25);
}

TEST(References, AreInterpolatedBetweenSizesAndEndBeyond) {
  const auto at = [](double bytes, Nvls nvls = Nvls::unknown, int gpus = 8, const char* accelerator = "h100") {
    return nearest_reference({accelerator, "all_reduce", gpus, 1, bytes, nvls}, collective_references());
  };
  constexpr double M = 1 << 20, G = 1 << 30;
  EXPECT_NEAR(at(1 * G)->bus_bytes_per_second, 468e9, 1);
  EXPECT_NEAR(at(4 * M)->bus_bytes_per_second, 1e9 * std::sqrt(68.0 * 239), 1e3) << "halfway in the logarithms";
  EXPECT_NEAR(at(16 * G)->bus_bytes_per_second, 480e9, 1);
  EXPECT_FALSE(at(33 * G));
  EXPECT_FALSE(at(0.4 * M));
  EXPECT_FALSE(at(1 * G, Nvls::unknown, 7));
  EXPECT_FALSE(at(8 * G, Nvls::off)) << "nobody published it for that node";
  EXPECT_NEAR(at(8 * G, Nvls::off, 8, "h200")->bus_bytes_per_second, 363e9, 1);
  EXPECT_NEAR(at(16 * G, Nvls::on, 8, "h200")->bus_bytes_per_second, 482.3e9, 1);
  EXPECT_FALSE(nearest_reference({"h100", "all_gather", 8, 1, 8 * G, Nvls::unknown}, collective_references()));
}

Result gpu_result(double busbw, const std::string& algorithm) {
  Record record = ok_record(64, "nccl", 8.0 * (1 << 30) * 1.75 / busbw);
  record.point.workload = "all_reduce";
  record.point.device = Device::gpu;
  record.point.axes = {
      {"bytes", std::int64_t(8) << 30}, {"ranks", std::int64_t(8)}, {"placement", std::string("in_place")}};
  record.work = {0, 8.0 * (1 << 30), "", 1.75};
  record.details = {{"algorithm", algorithm, {}}, {"protocol", std::string("SIMPLE"), {}}};
  Result result = sample_result({record});
  result.provenance["gpus"] = {{{"index", 0}, {"name", "NVIDIA H200"}}};
  return result;
}

TEST(CollectiveColumns, SayWhetherANumberIsNormal) {
  const auto rows = table_rows({gpu_result(465.6e9, "NVLS")});
  EXPECT_NEAR(*rows[0].percent_of_ceiling, 100 * 465.6 / 490.3, 0.1);
  EXPECT_NEAR(*rows[0].percent_of_reference, 97, 0.01);
  EXPECT_EQ(rows[0].reference, "ND H200 v5 (Azure)");
  EXPECT_EQ(rows[0].protocol, "SIMPLE");
  const std::string console = to_console(rows, 300), json = to_table_json(rows);
  EXPECT_THAT(console, HasSubstr("97 % of ND H200 v5 (Azure)"));
  EXPECT_THAT(console, HasSubstr("reference ND H200 v5 (Azure): Azure AI-benchmarking-guide, ND_H200_v5"));
  EXPECT_THAT(json, HasSubstr("\"reference\":\"ND H200 v5 (Azure)\""));
}

TEST(CollectiveColumns, CompareWithWhatTheAlgorithmAllows) {
  const auto ring = table_rows({gpu_result(360e9, "RING")});
  EXPECT_NEAR(*ring[0].percent_of_ceiling, 100 * 360 / 370.8, 0.1);
  EXPECT_NEAR(*ring[0].percent_of_reference, 100 * 360 / 363.0, 0.1) << "measured without the switch, too";
}

TEST(CollectiveColumns, NoReferenceAndNoCeilingAreSaid) {
  Result result = gpu_result(100e9, "RING");
  result.provenance["gpus"][0]["name"] = "NVIDIA L40S";
  const auto rows = table_rows({result});
  EXPECT_EQ(rows[0].reference, "no reference");
  EXPECT_FALSE(rows[0].percent_of_ceiling);
  EXPECT_THAT(to_console(rows, 300), HasSubstr("no ceiling: no links are known of"));
}

/// Of eight ranks with a GPU each, on so many hosts.
Result ranks_result(int hosts) {
  Result result = gpu_result(360e9, "RING");
  for (int rank = 0; rank < 8; ++rank)
    result.provenance["run"]["gpus"].push_back({{"rank", rank}, {"host", "node" + std::to_string(rank % hosts)}});
  return result;
}

TEST(CollectiveColumns, NodesAreThoseOfTheRanksGpus) {
  const auto one = table_rows({ranks_result(1)}), two = table_rows({ranks_result(2)});
  EXPECT_NEAR(*one[0].percent_of_ceiling, 100 * 360 / 370.8, 0.1);
  EXPECT_FALSE(two[0].percent_of_ceiling);
  EXPECT_EQ(two[0].ceiling, "no ceiling: the nodes' NICs are not known");
  EXPECT_EQ(two[0].reference, "no reference") << "eight GPUs of one node are another system";
}

TEST(CollectiveColumns, OnACpuMemoryIsTheCeiling) {
  Record copy = ok_record(64, "cpu_stream", 1e-3), reduce = ok_record(64, "shm_ring", 1e-3);
  copy.point.workload = "peak";
  copy.point.axes = {{"unit", std::string("copy")}};
  copy.work = {0, 24e6, "", 0};
  reduce.point.workload = "all_reduce";
  reduce.point.axes = {
      {"bytes", std::int64_t(4000000)}, {"ranks", std::int64_t(2)}, {"placement", std::string("out_of_place")}};
  reduce.work = {0, 4e6, "", 1};
  Result result = sample_result({copy, reduce});
  const auto row = [&] { return table_rows({result})[1]; };
  EXPECT_THAT(row().ceiling, HasSubstr("not known to share one host")) << "older results do not say";
  result.provenance["run"] = {{"ranks", 1}};
  EXPECT_NEAR(*row().percent_of_ceiling, 100 * 4e9 / 6e9, 0.5);
  result.provenance["run"] = {{"ranks", 2}, {"one_host", true}};
  EXPECT_NEAR(*row().percent_of_ceiling, 100 * 4e9 / 6e9, 0.5) << "the copy's record counts both processes";
  result.provenance["run"] = {{"ranks", 2}, {"one_host", false}};
  EXPECT_FALSE(row().percent_of_ceiling);
  EXPECT_EQ(row().reference, "");
  result.records[1].point.cache = Cache::hot;
  result.provenance["run"] = {{"ranks", 1}};
  EXPECT_THAT(row().ceiling, HasSubstr("stay in the caches"));
}

}  // namespace
}  // namespace assay
