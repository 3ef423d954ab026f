"""Uploading images to a bucket, against a local S3 server."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dagster as dg
import obstore
import pytest
from obstore.store import S3Store

from grabient_pipeline import object_storage
from grabient_pipeline.defs.assets.palettes import palette_images
from grabient_pipeline.defs.resources import PipelineResource
from grabient_pipeline.errors import BucketError, SettingsError
from grabient_pipeline.images.bucket import Bucket
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.settings import Settings
from grabient_pipeline_tests.conftest import copy_template
from grabient_pipeline_tests.convex_exports import seeds
from grabient_pipeline_tests.object_server import make_bucket, object_server

PUBLIC = "https://images.example.com"
SECRET = "secret-77aa"


@pytest.fixture(scope="module")
def s3():
    with object_server() as address:
        yield address


@pytest.fixture
def environment(s3, request):
    name = f"images-{abs(hash(request.node.nodeid)) % 10**9}"
    variables = {
        "R2_BUCKET": name,
        "R2_ENDPOINT": s3,
        "R2_ACCESS_KEY_ID": "key-id",
        "R2_SECRET_ACCESS_KEY": SECRET,
        "R2_PUBLIC_URL": f"{PUBLIC}/",
    }
    make_bucket(s3, name)
    return variables


@pytest.fixture
def pipeline(tmp_path, blank, environment):
    opened = Pipeline(copy_template(blank, tmp_path / "data"), environment)
    file = tmp_path / "seeds.txt"
    file.write_text("\n".join(seeds(5)))
    opened.import_palettes([file])
    return opened


def store(environment):
    return S3Store(
        environment["R2_BUCKET"],
        endpoint=environment["R2_ENDPOINT"],
        region="us-east-1",
        access_key_id="x",
        secret_access_key="x",
        client_options={"allow_http": True},
    )


def objects(environment):
    return {entry["path"]: entry for page in obstore.list(store(environment)) for entry in page}


def urls(pipeline):
    with pipeline.warehouse.connect() as connection:
        return dict(connection.execute("SELECT palette_id, image_url FROM palettes").fetchall())


def test_images_are_uploaded_and_get_public_urls(pipeline, environment):
    report = pipeline.write_pictures()
    assert (report.written, report.in_bucket, report.uploaded) == (5, 5, 5)
    found = urls(pipeline)
    assert found == {palette_id: f"{PUBLIC}/palettes/{palette_id}.png" for palette_id in found}
    assert objects(environment).keys() == {f"palettes/{palette_id}.png" for palette_id in found}
    palette_id = next(iter(found))
    answer = obstore.get(store(environment), f"palettes/{palette_id}.png")
    assert answer.bytes().to_bytes() == (pipeline.settings.images_dir / f"{palette_id}.png").read_bytes()
    assert answer.attributes["Content-Type"] == "image/png"
    assert "immutable" in answer.attributes["Cache-Control"]


def test_only_missing_images_are_uploaded(pipeline, environment):
    pipeline.write_pictures()
    before = objects(environment)
    gone = next(iter(before))
    obstore.delete(store(environment), gone)
    report = pipeline.write_pictures()
    assert (report.written, report.in_bucket, report.uploaded) == (0, 5, 1)
    after = objects(environment)
    assert after.keys() == before.keys()
    assert {path: after[path]["last_modified"] for path in after if path != gone} == {
        path: before[path]["last_modified"] for path in before if path != gone
    }


def test_listings_of_more_than_one_page(pipeline, environment):
    opened = store(environment)
    for number in range(1_010):
        obstore.put(opened, f"palettes/{number:06d}.png", b"x")
    pipeline.write_pictures()
    assert pipeline.write_pictures().uploaded == 0


def test_an_image_url_elsewhere_is_kept(pipeline, environment):
    with pipeline.warehouse.connect() as connection:
        connection.execute(
            "UPDATE palettes SET image_url = 'https://elsewhere.example.com/a.png' "
            "WHERE palette_id = (SELECT min(palette_id) FROM palettes)"
        )
    report = pipeline.write_pictures()
    assert (report.in_bucket, report.uploaded) == (4, 4)
    assert "https://elsewhere.example.com/a.png" in urls(pipeline).values()


def test_without_a_bucket_the_paths_stay_local(tmp_path, environment):
    del environment["R2_BUCKET"]
    opened = Pipeline(Settings(tmp_path / "data"), environment)
    opened.import_sample_palettes(3)
    report = opened.write_pictures()
    assert (report.in_bucket, report.uploaded) == (None, 0)
    assert all(url.startswith("images/") for url in urls(opened).values())


def test_sandbox_data_is_not_uploaded(tmp_path, environment):
    opened = Pipeline(Settings(tmp_path / "data", sandbox=True), environment)
    opened.import_sample_palettes(3)
    assert opened.write_pictures().in_bucket is None
    assert objects(environment) == {}


def test_another_prefix(pipeline, environment):
    environment["R2_PREFIX"] = "/site/images/"
    pipeline.write_pictures()
    assert all(path.startswith("site/images/") for path in objects(environment))
    assert all(url.startswith(f"{PUBLIC}/site/images/") for url in urls(pipeline).values())


@pytest.mark.parametrize("variable", ["R2_ENDPOINT", "R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY", "R2_PUBLIC_URL"])
def test_incomplete_settings_fail_before_anything_is_rendered(pipeline, environment, variable):
    del environment[variable]
    with pytest.raises(SettingsError, match=f"set {variable}; or unset R2_BUCKET"):
        pipeline.write_pictures()
    assert not pipeline.settings.images_dir.exists()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("R2_BUCKET", "Not A Bucket"),
        ("R2_BUCKET", "../x"),
        ("R2_ENDPOINT", "no-scheme.example"),
        ("R2_PUBLIC_URL", "ftp://example.com"),
        ("R2_PREFIX", "../up"),
        ("R2_PREFIX", "a//b"),
        ("R2_SECRET_ACCESS_KEY", "schlüssel"),
    ],
)
def test_invalid_settings_are_named(environment, variable, value):
    with pytest.raises(SettingsError, match=variable) as error:
        Bucket.from_environment({**environment, variable: value})
    assert value not in str(error.value)


def test_a_missing_bucket(pipeline, environment):
    environment["R2_BUCKET"] = "absent-bucket"
    with pytest.raises(BucketError, match="there is no bucket absent-bucket at .* check R2_BUCKET and R2_ENDPOINT"):
        pipeline.write_pictures()
    assert all(url.startswith("images/") for url in urls(pipeline).values())


def test_an_unreachable_endpoint(pipeline, environment, monkeypatch):
    monkeypatch.setattr(object_storage, "MAX_RETRIES", 0)
    environment["R2_ENDPOINT"] = "http://127.0.0.1:9"
    with pytest.raises(BucketError, match="cannot be used now") as error:
        pipeline.write_pictures()
    assert SECRET not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_rejected_key(pipeline, environment):
    class Forbidden(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(403)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Forbidden) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environment["R2_ENDPOINT"] = f"http://127.0.0.1:{server.server_port}"
        with pytest.raises(BucketError, match=r"rejects the key \(403\); check that R2_ACCESS_KEY_ID") as error:
            pipeline.write_pictures()
        server.shutdown()
    assert SECRET not in str(error.value)


def test_keys_are_not_in_the_repr(environment):
    text = repr(Bucket.from_environment(environment))
    assert SECRET not in text
    assert "key-id" not in text


def test_as_an_asset(pipeline, environment, monkeypatch):
    monkeypatch.setenv("GRABIENT_DATA_DIR", str(pipeline.settings.data_dir))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([palette_images], resources={"pipeline": PipelineResource()}, instance=instance)
        (event,) = result.asset_materializations_for_node("palette_images")
    assert (event.metadata["in the bucket"].value, event.metadata["uploaded"].value) == (5, 5)
