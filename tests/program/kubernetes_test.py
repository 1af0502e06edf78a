#!/usr/bin/env python3
"""The Kubernetes manifest parses, its parts fit each other, and it names options that the program has.

usage: kubernetes_test.py --assay ASSAY --scripts FOLDER      exit 77 where there is no YAML parser
"""
import argparse
import re
import subprocess
import sys
import unittest
from pathlib import Path

try:
    import yaml
except ImportError:
    print("skipped: no python3-yaml here")
    sys.exit(77)

ASSAY = SCRIPTS = None


class Manifest(unittest.TestCase):
    def setUp(self):
        paths = sorted((Path(SCRIPTS) / "kubernetes").glob("*.yaml"))
        self.assertTrue(paths, "no manifest")
        self.jobs = [job for path in paths for job in yaml.safe_load_all(path.read_text())]

    def test_is_an_mpi_job_of_the_operators_api(self):
        for job in self.jobs:
            self.assertEqual((job["apiVersion"], job["kind"]), ("kubeflow.org/v2beta1", "MPIJob"))
            self.assertEqual(set(job["spec"]["mpiReplicaSpecs"]), {"Launcher", "Worker"})
            for replica in job["spec"]["mpiReplicaSpecs"].values():
                pod = replica["template"]["spec"]
                volumes = {volume["name"] for volume in pod.get("volumes", [])}
                for container in pod["containers"]:
                    self.assertTrue(container["image"])
                    for mount in container.get("volumeMounts", []):
                        self.assertIn(mount["name"], volumes)

    def test_ranks_are_workers_times_slots(self):
        for job in self.jobs:
            arguments = self.launcher(job)
            ranks = int(arguments[arguments.index("-n") + 1])
            workers = job["spec"]["mpiReplicaSpecs"]["Worker"]["replicas"]
            self.assertEqual(ranks, workers * job["spec"]["slotsPerWorker"])

    def test_names_options_that_the_program_has(self):
        words = subprocess.run([ASSAY, "run", "--help"], capture_output=True, text=True, check=True).stdout
        options = set(re.findall(r"--[a-z][a-z-]*", words))
        for job in self.jobs:
            arguments = self.launcher(job)
            self.assertTrue(all(isinstance(word, str) for word in arguments), "a container's arguments are strings")
            ours = arguments[next(i for i, word in enumerate(arguments) if word.endswith("/assay")) + 1:]
            self.assertEqual(ours[0], "run")
            used = {word.split("=")[0] for word in ours if word.startswith("--")}
            self.assertTrue(used)
            self.assertLessEqual(used, options)
            listed = subprocess.run([ASSAY, "list", ours[1]], capture_output=True, text=True)
            self.assertEqual(listed.returncode, 0, listed.stderr)

    @staticmethod
    def launcher(job):
        container = job["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]["spec"]["containers"][0]
        return container["command"] + container["args"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--assay", required=True)
    parser.add_argument("--scripts", required=True)
    options, rest = parser.parse_known_args()
    ASSAY, SCRIPTS = options.assay, options.scripts
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
