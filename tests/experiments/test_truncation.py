import torch

from gan_tutorial.experiments import truncation


def test_every_setting_has_a_row_and_the_finding_counts_them(monkeypatch):
    monkeypatch.setattr(truncation, "SAMPLES", 48)
    monkeypatch.setattr(truncation, "THRESHOLDS", (0.3, None))
    monkeypatch.setattr(truncation, "BATCHES", (2, 8))
    page = truncation.run([0])
    assert [row[0] for row in page.rows] == [
        "biggan-avatars, 0.3",
        "biggan-avatars, none",
        "biggan-avatars, 0.5, standing",
        "cgan-avatars",
        "held-out real images",
    ]
    by_name = {row[0]: [float(str(value).rstrip("%")) for value in row[2:]] for row in page.rows}
    assert by_name["biggan-avatars, 0.3"][3] < by_name["biggan-avatars, none"][3]
    assert by_name["held-out real images"][0] > 95
    assert "diversity rises at every step with 1 of 1 seeds" in page.finding
    assert page.finding.count("Labels of ") == 2


def test_diversity_counts_only_pairs_of_a_class():
    features = torch.tensor([[0.0], [1.0], [100.0], [103.0]])
    assert truncation.diversity(features, torch.tensor([0, 0, 1, 1])) == 2.0


def test_finding_sees_a_step_the_wrong_way(monkeypatch):
    monkeypatch.setattr(truncation, "THRESHOLDS", (0.5, 1.0, None))

    def row(name, precision, diversity):
        return (f"biggan-avatars, {name}", 0, "90.0%", precision, "0.5", diversity, "3")

    rows = [row("0.5", "0.98", "1"), row("1", "0.99", "2"), row("none", "0.90", "3")]
    rows.append(("cgan-avatars", 0, "91.5%", "0.9", "0.9", "3", "1"))
    found = truncation.finding(rows)
    assert "precision falls at every step with 0 of 1 seeds" in found
    assert "diversity rises at every step with 1 of 1 seeds" in found
    assert "Labels of cgan-avatars: at least 91.5%." in found
