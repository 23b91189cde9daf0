//! Tokens exactly as the published clients made them, with the secret of `test_keys.rs`.

/// `meshagent-api` 0.56.0: role `agent`, `ApiScope.full()`, expires 2100-01-01.
pub(super) const PYTHON_56_FULL: &str = "\
    eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjQxMDI0NDQ4MDAsIm5hbWUiOiJhbm4iLCJncmFudHMiOlt7I\
    m5hbWUiOiJyb29tIiwic2NvcGUiOiJkZW1vIn0seyJuYW1lIjoicm9sZSIsInNjb3BlIjoiYWdlbnQifSx7Im5hbWUiOiJ\
    hcGkiLCJzY29wZSI6eyJsaXZla2l0Ijp7fSwicXVldWVzIjp7fSwibWVzc2FnaW5nIjp7fSwiZGF0YXNldCI6e30sInNxb\
    Gl0ZSI6e30sIm1lbW9yeSI6e30sInN5bmMiOnt9LCJzdG9yYWdlIjp7fSwiY29udGFpbmVycyI6e30sImRldmVsb3BlciI\
    6e30sImFnZW50cyI6e30sImxsbSI6e30sImFkbWluIjp7fSwidHVubmVscyI6e30sInNlcnZpY2VzIjp7fX19XSwidmVyc\
    2lvbiI6IjAuNTYuMCJ9.KYB7keuPb0e7nkaoiIUTj1t7rJy4xEBK7Xez7MclB3Y";

/// `meshagent-api` 0.56.0: send to `jobs` only, no receive, no list.
pub(super) const PYTHON_56_QUEUES: &str = "\
    eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJuYW1lIjoiYW5uIiwiZ3JhbnRzIjpbeyJuYW1lIjoicm9vbSIsInNjb\
    3BlIjoiZGVtbyJ9LHsibmFtZSI6ImFwaSIsInNjb3BlIjp7InF1ZXVlcyI6eyJzZW5kIjpbImpvYnMiXSwicmVjZWl2ZSI\
    6W10sImxpc3QiOmZhbHNlfX19XSwidmVyc2lvbiI6IjAuNTYuMCJ9.A-0dxWTnotJerGXlIlQNLVP1NvYPrIES2i3XkkH1\
    q-4";

/// `meshagent-api` 0.56.0 without an `api` grant.
pub(super) const PYTHON_56_NO_API_GRANT: &str = "\
    eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJuYW1lIjoiYW5uIiwiZ3JhbnRzIjpbeyJuYW1lIjoicm9vbSIsInNjb\
    3BlIjoiZGVtbyJ9XSwidmVyc2lvbiI6IjAuNTYuMCJ9.IfSzppus3CmD01FnsQI4SGFPIM7goCOSrN5uc5LUUak";

/// `meshagent-api` 0.56.0: signed by [`API_KEY`].
pub(super) const PYTHON_56_API_KEY: &str = "\
    eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJuYW1lIjoiYW5uIiwiZ3JhbnRzIjpbeyJuYW1lIjoicm9vbSIsInNjb\
    3BlIjoiZGVtbyJ9LHsibmFtZSI6ImFwaSIsInNjb3BlIjp7ImxpdmVraXQiOnt9LCJxdWV1ZXMiOnt9LCJtZXNzYWdpbmc\
    iOnt9LCJkYXRhc2V0Ijp7fSwic3FsaXRlIjp7fSwibWVtb3J5Ijp7fSwic3luYyI6e30sInN0b3JhZ2UiOnt9LCJjb250Y\
    WluZXJzIjp7fSwiZGV2ZWxvcGVyIjp7fSwiYWdlbnRzIjp7fSwic2VydmljZXMiOnt9fX1dLCJ2ZXJzaW9uIjoiMC41Ni4\
    wIiwia2lkIjoiMDAwMDAwM2UtZmJmZi1iZmZmLWZiZmYtYmZmZmZiZmZiZmZmIiwic3ViIjoiMDAwMDAwMDAtMDAwMC0wM\
    DAwLTAwMDAtMDAwMDAwMDAwMDAwIn0.LSMonBCT7OydSeSRTWk6B8KNAyHajqaCco5-ollVD1Y";

/// `meshagent-api` 0.0.21: role `tool`; no `api` grant, no version.
pub(super) const PYTHON_21: &str = "\
    eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJuYW1lIjoiYW5uIiwiZ3JhbnRzIjpbeyJuYW1lIjoicm9vbSIsInNjb\
    3BlIjoiZGVtbyJ9LHsibmFtZSI6InJvbGUiLCJzY29wZSI6InRvb2wifV19.0XRykcGD5sSAvUYHAsmWjxqKHZmANwN0Z8\
    KBqcLoRZM";

/// `@meshagent/meshagent` 0.39.9: receive from `jobs` only, expires 2100-01-01.
pub(super) const JAVASCRIPT_39: &str = "\
    eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJuYW1lIjoiYW5uIiwiZ3JhbnRzIjpbeyJuYW1lIjoicm9vbSIsInNjb\
    3BlIjoiZGVtbyJ9LHsibmFtZSI6ImFwaSIsInNjb3BlIjp7InF1ZXVlcyI6eyJyZWNlaXZlIjpbImpvYnMiXX0sIm1lc3N\
    hZ2luZyI6e319fV0sInZlcnNpb24iOiIwLjM2LjMiLCJleHAiOjQxMDI0NDQ4MDB9.Dka4Y5z13QcxLoBek-l882GmBLGC\
    nbPzipdtWOJ_-Oc";

/// Made by `encode_api_key` of `meshagent-api` 0.56.0; `.` and `_` stand in the ids.
pub(super) const API_KEY: &str =
    "ma-AAAAPvv_v__7_7__._.__w-AAAAAAAAAAAAAAAAAAAAAA-0123456789abcdef0123456789abcdef-x-";
