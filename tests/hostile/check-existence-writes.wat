;; Writes and commits in the existence check, which must store nothing, and passes on the error.
;;
;; request: write harm
;; status: 400
;; error: an existence check stores nothing

(func $check (param $request i32) (result i32)
  (if (call $is-benign (local.get $request)) (then (return (call $nothing))))
  (call $put (i32.const 2112) (i32.const 3) (i32.const 2112) (i32.const 3) (i32.const 0) (i32.const 64))
  (call $commit (i32.const 64))
  (if (i32.eqz (call $failed (i32.const 64))) (then (return (call $nothing))))
  (i32.store8 (i32.const 1792) (i32.const 1))
  (i32.store (i32.const 1800) (i32.load offset=8 (i32.const 64)))
  (i32.store (i32.const 1804) (i32.load offset=12 (i32.const 64)))
  (i32.const 1792))
