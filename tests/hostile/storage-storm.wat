;; Reads storage again and again, and ignores every error.
;;
;; request: read harm
;; status: 500
;; error: --cpu-ms
;; serve: --cpu-ms=100

(func $hostile (result i32)
  (loop $again
    (call $get (i32.const 2112) (i32.const 3) (i32.const 64))
    (br $again))
  unreachable)
