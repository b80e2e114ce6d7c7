from cidp.outage_log import OutageLog


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_an_outage_is_said_once_then_once_a_minute_then_when_it_is_over(said: list[str]) -> None:
    clock = Clock()
    outage = OutageLog("Kafka", clock)
    for _ in range(150):  # a try each second, every one with another reason
        outage.gone(f"raison {clock.now_s:.0f}")
        clock.now_s += 1
    outage.back()
    outage.back()
    assert said == [
        "Kafka : raison 1000\n",
        "Kafka, depuis 60 s : raison 1060\n",
        "Kafka, depuis 120 s : raison 1120\n",
        "Kafka répond de nouveau\n",
    ]


def test_what_comes_and_goes_is_said_once_a_minute_at_most(said: list[str]) -> None:
    clock = Clock()
    outage = OutageLog("MQTT", clock)
    for _ in range(61):
        outage.gone("parti")
        outage.back()
        clock.now_s += 1
    assert said == ["MQTT : parti\n", "MQTT répond de nouveau\n"] * 2


def test_what_was_never_away_says_nothing(said: list[str]) -> None:
    assert not OutageLog("Kafka").back()
    assert said == []
