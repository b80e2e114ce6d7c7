"""Settings: file, then environment, then flags; what cannot be used is refused in French."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cidp.auth import DEMO_KEY
from cidp.errors import SettingsError
from cidp.kafka_client import client_options
from cidp.settings import SERVICE_FOLDER, Settings, launch_environment

REAL_KEY = "k" * 16


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


def read(config: Path, text: str, **environ: str) -> Settings:
    config.write_text(text, encoding="utf-8")
    return Settings.from_environ({"CAMRAIL_CONFIG": str(config), **environ})


def test_the_committed_file_says_the_defaults() -> None:
    text = (SERVICE_FOLDER / "config" / "config.yaml").read_text(encoding="utf-8")
    written = Settings.model_validate(yaml.safe_load(text))
    assert written == Settings()
    stated = {(name, key) for name, values in yaml.safe_load(text).items() for key in values}
    known = {(name, key) for name, part in Settings() if "key" not in name for key, _ in part}
    assert stated == known


def test_a_kafka_account_goes_with_sasl_alone() -> None:
    account = {"CAMRAIL_KAFKA": "h:9093", "CAMRAIL_KAFKA_USER": "u"}
    with pytest.raises(SettingsError, match="SASL_SSL"):
        Settings.from_environ(account)
    secure = account | {"CAMRAIL_KAFKA_SECURITY": "SASL_SSL"}
    with pytest.raises(SettingsError, match="CAMRAIL_KAFKA_PASSWORD"):
        client_options(Settings.from_environ(secure))
    settings = Settings.from_environ(secure | {"CAMRAIL_KAFKA_PASSWORD": "tres-secret"})
    assert "tres-secret" not in repr(settings)
    options = client_options(settings)
    assert (options["sasl.password"], options["sasl.mechanism"]) == ("tres-secret", "PLAIN")


def test_flags_win_over_the_environment_over_the_file(config: Path) -> None:
    config.write_text("api: {port: 5001, threads: 2, host: '::1'}", encoding="utf-8")
    environ = {"CAMRAIL_CONFIG": str(config), "API_PORT": "5002", "API_HOST": "localhost"}
    assert Settings.from_environ({"CAMRAIL_CONFIG": str(config)}).api.port == 5001
    assert Settings.from_environ(environ).api.port == 5002
    flagged = Settings.from_environ(environ, {"api": {"port": 5003, "host": None}})
    assert (flagged.api.port, flagged.api.host, flagged.api.threads) == (5003, "localhost", 2)


def test_paths_start_at_the_services_folder(tmp_path: Path) -> None:
    settings = Settings.from_environ({"CAMRAIL_MODELS_DIR": str(tmp_path), "CAMRAIL_LOGS_DIR": ""})
    assert settings.model.folder == tmp_path
    assert settings.logs.folder == SERVICE_FOLDER / "logs"
    assert settings.pmd.folder == SERVICE_FOLDER.parent / "Predictive-Maintenance-Dashboard"


def test_an_empty_file_gives_the_defaults(config: Path) -> None:
    assert read(config, "# rien\n").api.port == 5000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("api: {prot: 1}", "api.prot : champ inconnu"),
        ("serveur: {}", "serveur : champ inconnu"),
        ("api: {port: 70000}", "api.port : doit être au plus 65535"),
        ("api: {port: '5000'}", "api.port : un entier est attendu"),
        ("api: {threads: true}", "api.threads : un entier est attendu"),
        ("store: {timeout_s: .nan}", "store.timeout_s : un nombre fini est attendu"),
        ("model: {folder: 3}", "model.folder"),
        ("- api", "des sections"),
        ("api: 5000", "des sections"),
        ("api: {", "YAML invalide"),
        ("keys: {}", "les clés vont dans API_KEY"),
        ("api: {port: \x00}", "YAML invalide"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(config: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=r"config\.yaml") as caught:
        read(config, text)
    assert said in str(caught.value)


def test_a_file_that_is_not_there_or_not_text_is_refused(config: Path) -> None:
    environ = {"CAMRAIL_CONFIG": str(config)}
    with pytest.raises(SettingsError, match="illisibles"):
        Settings.from_environ(environ)
    config.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="illisibles"):
        Settings.from_environ(environ)


@pytest.mark.parametrize("port", ["abc", "-1", "5000.0", "٥٠٠٠", " 5000"])
def test_a_port_that_is_no_integer_is_refused(port: str) -> None:
    with pytest.raises(SettingsError, match="API_PORT"):
        Settings.from_environ({"API_PORT": port})


@pytest.mark.parametrize("workers", ["0", "65", "deux"])
def test_a_number_of_workers_that_makes_no_sense_is_refused(workers: str) -> None:
    with pytest.raises(SettingsError, match=r"API_WORKERS|api\.workers"):
        Settings.from_environ({"API_WORKERS": workers})


def test_the_environment_names_workers_hosts_and_certificate(tmp_path: Path) -> None:
    api = Settings.from_environ(
        {
            "API_WORKERS": "3",
            "API_TRUSTED_HOSTS": "api.example, .example.org",
            "API_TLS_CERTIFICATE": str(tmp_path / "c.pem"),
            "API_TLS_KEY": "k.pem",
        }
    ).api
    assert api.workers == 3
    assert api.answered_hosts == ("api.example", ".example.org")
    assert (api.scheme, api.tls_certificate) == ("https", tmp_path / "c.pem")
    assert api.tls_key == SERVICE_FOLDER / "k.pem"


def test_a_server_of_the_loopback_answers_to_its_names_and_any_other_to_all() -> None:
    here = Settings.from_environ({}).api
    assert (here.scheme, here.workers) == ("http", 1)
    assert set(here.answered_hosts) == {"localhost", "127.0.0.1", "::1"}
    there = Settings.from_environ({"API_KEY": REAL_KEY, "API_HOST": "192.0.2.7"}).api
    assert there.answered_hosts == ()


def test_without_a_key_the_demonstration_key_works_from_this_machine_only() -> None:
    settings = Settings.from_environ({})
    assert settings.demo_key_only
    assert settings.keys[0].sha256 == hashlib.sha256(DEMO_KEY.encode()).hexdigest()


@pytest.mark.parametrize("secret", ["", "  ", DEMO_KEY])
def test_an_empty_or_demonstration_api_key_counts_as_none(secret: str) -> None:
    assert Settings.from_environ({"API_KEY": secret}).demo_key_only
    with pytest.raises(SettingsError, match="Aucune clé réelle"):
        Settings.from_environ({"API_KEY": secret, "API_HOST": "192.0.2.7"})


def test_a_real_key_replaces_the_demonstration_key() -> None:
    settings = Settings.from_environ({"API_KEY": REAL_KEY, "API_HOST": "192.0.2.7"})
    assert not settings.demo_key_only
    assert [key.id for key in settings.keys] == ["API_KEY"]


def test_a_short_key_guards_only_this_machine() -> None:
    assert not Settings.from_environ({"API_KEY": "court"}).demo_key_only
    with pytest.raises(SettingsError, match="au moins 16"):
        Settings.from_environ({"API_KEY": "court", "API_HOST": "192.0.2.7"})


def test_a_keys_file_gives_names_and_scopes(tmp_path: Path) -> None:
    keys = [{"id": "capteurs", "sha256": "a" * 64, "scopes": ["ingest"]}]
    for name, text in [("k.json", json.dumps(keys)), ("k.yaml", yaml.safe_dump(keys))]:
        (tmp_path / name).write_text(text, encoding="utf-8")
        environ = {"API_KEYS_FILE": str(tmp_path / name), "API_HOST": "192.0.2.7"}
        settings = Settings.from_environ(environ)
        (key,) = settings.file_keys
        assert settings.keys_file == tmp_path / name
        assert not settings.demo_key_only
        assert (key.id, key.scopes) == ("capteurs", ("ingest",))
        both = Settings.from_environ(environ | {"API_KEY": REAL_KEY})
        assert [key.id for key in (*both.file_keys, *both.keys)] == ["capteurs", "API_KEY"]


def test_the_environment_holds_hashed_keys_too() -> None:
    keys = [
        {"id": "capteurs", "sha256": "a" * 64, "scopes": ["ingest"]},
        {"id": "tableau", "sha256": "b" * 64, "scopes": ["predict"], "requests_per_minute": 60},
    ]
    settings = Settings.from_environ({"API_KEYS": json.dumps(keys), "API_HOST": "192.0.2.7"})
    assert [(key.id, key.requests_per_minute) for key in settings.keys] == [
        ("capteurs", None),
        ("tableau", 60),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[{", "API_KEYS : YAML invalide"),
        ('[{"id": "a"}]', "API_KEYS refusé : 0.sha256 : champ obligatoire absent"),
        ("en clair", "API_KEYS refusé"),
    ],
)
def test_hashed_keys_of_the_environment_that_cannot_be_used_are_refused(
    text: str, said: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ({"API_KEYS": text})
    assert said in str(caught.value)
    assert "en clair" not in str(caught.value)


def test_two_keys_of_one_name_are_refused_wherever_they_come_from(tmp_path: Path) -> None:
    keys = json.dumps([{"id": "a", "sha256": "a" * 64, "scopes": ["ingest"]}])
    (tmp_path / "k.json").write_text(keys, encoding="utf-8")
    with pytest.raises(SettingsError, match="« a » est donné plusieurs fois"):
        Settings.from_environ({"API_KEYS": keys, "API_KEYS_FILE": str(tmp_path / "k.json")})


@pytest.mark.parametrize("end", ["revoked_at", "expires_at"])
@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.7"])
def test_keys_that_have_all_ended_never_bring_the_demonstration_key_back(
    end: str, host: str
) -> None:
    key = {"id": "a", "sha256": "a" * 64, "scopes": ["predict"], end: "2026-01-01T00:00:00Z"}
    with pytest.raises(SettingsError, match="Aucune clé valable"):
        Settings.from_environ({"API_KEYS": json.dumps([key]), "API_HOST": host})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "Aucune clé valable"),
        ([{"id": "a", "sha256": "a" * 64, "scopes": [], "expires_at": "2026-01-01"}], "décalage"),
        ({}, "refusé"),
        ([{"id": "a", "sha256": "x", "scopes": []}], "0.sha256"),
        ([{"id": "a", "sha256": "a" * 64, "scopes": ["tout"]}], "0.scopes.0"),
        ([{"id": "a", "key": "en clair"}], "0.key : champ inconnu"),
    ],
)
def test_a_keys_file_that_cannot_be_used_is_refused(
    tmp_path: Path, content: Any, said: str
) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ({"API_KEYS_FILE": str(path)})
    assert said in str(caught.value)
    assert "en clair" not in str(caught.value)


def test_a_keys_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    with pytest.raises(SettingsError, match="illisible"):
        Settings.from_environ({"API_KEYS_FILE": str(path)})
    path.write_text("- {", encoding="utf-8")
    with pytest.raises(SettingsError, match="YAML invalide"):
        Settings.from_environ({"API_KEYS_FILE": str(path)})


def test_dotenv_files_never_override_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = tmp_path / "service"
    service.mkdir()
    (tmp_path / ".env").write_text("A=racine\nB=racine\nC=racine\n", encoding="utf-8")
    (service / ".env").write_text("B=service\nC=service\nVIDE\n", encoding="utf-8")
    monkeypatch.setattr("cidp.settings.SERVICE_FOLDER", service)
    assert launch_environment({"C": "réel"}) == {"A": "racine", "B": "service", "C": "réel"}


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_dotenv_file_that_is_not_utf8_is_refused_without_showing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    monkeypatch.setattr("cidp.settings.SERVICE_FOLDER", tmp_path)
    (tmp_path / ".env").write_text("API_KEY=clé-secrète\n", encoding=encoding)
    with pytest.raises(SettingsError, match=r"\.env .* UTF-8") as caught:
        launch_environment({})
    assert "secr" not in str(caught.value)
