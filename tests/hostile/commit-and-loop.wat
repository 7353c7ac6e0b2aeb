;; Commits, begins the next transaction, which shuts other commits out, and loops.
;;
;; request: write harm
;; status: 500
;; error: --cpu-ms
;; serve: --cpu-ms=100

(func $hostile (result i32)
  (call $put (i32.const 2112) (i32.const 3) (i32.const 2112) (i32.const 3) (i32.const 0) (i32.const 64))
  (call $commit (i32.const 64))
  (call $put (i32.const 2112) (i32.const 3) (i32.const 2112) (i32.const 3) (i32.const 0) (i32.const 64))
  (loop $again (br $again))
  unreachable)
